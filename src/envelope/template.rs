//! Text with places in curly brackets.

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text that stands as it is; not empty.
    Text(&'a str),
    /// What stood in brackets.
    Place(&'a str),
}

/// A bracket has no partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unpaired;

/// Takes a template apart.
pub(super) fn pieces(template: &str) -> Result<Vec<Piece<'_>>, Unpaired> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((text, place)) = rest.split_once('{') {
        let (place, behind) = place.split_once('}').ok_or(Unpaired)?;
        pieces.extend([Piece::Text(text), Piece::Place(place)]);
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    match pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('}'))) {
        true => Err(Unpaired),
        false => Ok(pieces),
    }
}
