//! What no compiler checks: the direction of the arrows, and that what is promised in one place is kept in another.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The table of `src/architecture.md`: a module and those it may use.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(root().join("src/architecture.md")).expect("text");
    let rows = page.lines().skip_while(|line| !line.starts_with("| module")).skip(2).take_while(|line| line.starts_with('|'));
    let table: BTreeMap<String, String> = rows
        .map(|row| {
            let mut cells = row.split('|').map(str::trim).skip(1);
            (cells.next().expect("a module").trim_matches('`').to_owned(), cells.next().expect("its uses").to_owned())
        })
        .collect();
    let everything: BTreeSet<String> = table.keys().cloned().collect();
    let uses = |text: &str| match text.strip_prefix("all of the above but ") {
        Some(others) => &everything - &names(others),
        None => names(text),
    };
    table.iter().map(|(module, text)| (module.clone(), uses(text))).collect()
}

fn names(text: &str) -> BTreeSet<String> {
    text.split(',').map(str::trim).filter(|name| *name != "–").map(str::to_owned).collect()
}

/// Modules that a source names as `crate::module`, outside its tests.
fn used(source: &str) -> BTreeSet<String> {
    let code: Vec<&str> = source.lines().take_while(|line| !line.starts_with("mod tests {")).collect();
    let mut found = BTreeSet::new();
    for line in code.iter().filter(|line| !line.trim_start().starts_with("//")) {
        for (_, rest) in line.match_indices("crate::").map(|(at, _)| line.split_at(at + "crate::".len())) {
            let inside: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split(',').collect(),
                None => vec![rest],
            };
            found.extend(
                inside
                    .into_iter()
                    .map(|name| name.trim().chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect::<String>()),
            );
        }
    }
    found.remove("");
    found
}

#[test]
fn modules_use_only_what_the_architecture_allows() {
    let arrows = arrows();
    let mut checked = 0;
    for (module, allowed) in &arrows {
        let folder = root().join("src").join(module);
        let files = if folder.is_dir() { sources(&folder) } else { vec![folder.with_extension("rs")] };
        for file in files {
            let is_test = file.components().any(|part| {
                let name = part.as_os_str().to_string_lossy();
                ["test", "tests.rs", "tests", "testing.rs", "arbitrary.rs"].contains(&&*name) || name.ends_with("_test.rs")
            });
            if is_test {
                continue;
            }
            let source = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            for other in used(&source).iter().filter(|other| *other != module) {
                assert!(allowed.contains(other), "{} uses {other}, which {module} may not", file.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "only {checked} uses were found");
}

#[test]
fn every_module_stands_in_the_architecture() {
    let library = fs::read_to_string(root().join("src/lib.rs")).expect("text");
    let modules: BTreeSet<&str> = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();

    assert_eq!(modules, arrows().keys().map(String::as_str).collect());
}

#[test]
fn every_invariant_has_a_test_that_bears_its_number() {
    let mut tests = String::new();
    for file in sources(&root().join("src")).into_iter().chain(sources(&root().join("tests"))) {
        tests.push_str(&fs::read_to_string(file).expect("text"));
    }
    for number in 1..=10 {
        // I7 is a test that must not compile.
        let found = tests.contains(&format!("fn i{number}_")) || tests.contains(&format!("// I{number}: does not compile"));
        assert!(found, "no test is named i{number}_…");
    }
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let tracked = std::process::Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("git lists the files");
    let names = String::from_utf8(tracked.stdout).expect("names are text");
    let mut checked = 0;
    for name in names.lines().filter(|name| [".rs", ".md", ".yaml", ".sh", ".toml", ".py"].iter().any(|end| name.ends_with(end))) {
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        checked += 1;
        for word in [["/ho", "me/"].concat(), ["/wo", "rk/"].concat(), ["../sha", "red"].concat()] {
            assert!(!text.contains(&word), "{name} names a place outside the project: {word}");
        }
    }
    assert!(checked > 50, "only {checked} files were read");
}

/// A column of the tables of a page.
fn column(page: &str, number: usize) -> impl Iterator<Item = &str> {
    page.lines().filter(|line| line.starts_with("| ")).filter_map(move |line| line.split('|').nth(number))
}

#[test]
fn every_test_that_the_pages_of_faults_and_gaps_name_exists() {
    let page = |name: &str| fs::read_to_string(root().join(name)).expect("text");
    let (faults, gaps) = (page("docs/faults.md"), page("docs/gaps.md"));
    let named: BTreeSet<&str> = column(&faults, 3).chain(column(&gaps, 6)).flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let mut code = String::new();
    for path in ["src", "tests"].iter().flat_map(|folder| sources(&root().join(folder))) {
        code.push_str(&fs::read_to_string(path).expect("text"));
    }

    assert!(named.len() >= 40, "the page names {} tests", named.len());
    for test in named {
        assert!(code.contains(&format!("fn {test}()")), "no test is named {test}");
    }
}
