//! Which node this is: every event carries its id, and the state folder belongs to it.

use ringtail::checkpoint::Ledger;
use ringtail::config::{Config, SinkTo};
use ringtail::schema::live::NodeIdentity;
use serde_json::Value;

/// Meta value of the ledger: who the node is, as it said itself at the first success.
const META_NODE: &str = "node";

/// A node's id and the name of its cluster, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub node: String,
    pub cluster: String,
}

/// The state folder belongs to another node.
#[derive(Debug, thiserror::Error)]
#[error("the state folder is of node {stored}, this node is {found}: expected the folder that this node has always had")]
pub struct WrongNode {
    stored: String,
    found: String,
}

/// Nobody can say who the node is.
#[derive(Debug, thiserror::Error)]
#[error("config: node.id is auto, and there is no schema.cql.contact_points to ask: set node.id, or contact points")]
pub struct NoIdentity;

impl Identity {
    /// From what the node says of itself.
    pub fn of(node: &NodeIdentity) -> Identity {
        Identity { node: node.host_id.to_string(), cluster: node.cluster_name.clone() }
    }

    /// What a former run has kept.
    pub fn stored(ledger: &Ledger) -> Option<Identity> {
        let value = ledger.meta(META_NODE)?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Identity { node: text("id")?, cluster: text("cluster").unwrap_or_default() })
    }

    /// Keeps it for the next run.
    pub fn store(&self, ledger: &mut Ledger) {
        ledger.set_meta(META_NODE, serde_json::json!({ "id": self.node, "cluster": self.cluster }));
    }

    /// Who the node is, by the configuration, the node itself, or a former run, in this order; `None` while the node has not answered
    /// yet.
    pub fn decide(config: &Config, live: Option<Identity>, stored: Option<Identity>) -> anyhow::Result<Option<Identity>> {
        let may_answer = !config.schema.cql.contact_points.is_empty();
        let known = match (&config.node.id, live, stored.clone()) {
            (Some(id), live, _) => Identity { node: id.clone(), cluster: live.map(|live| live.cluster).unwrap_or_default() },
            (None, Some(live), _) => live,
            (None, None, Some(stored)) => stored,
            (None, None, None) if may_answer => return Ok(None),
            (None, None, None) if matches!(config.sink.to, SinkTo::Kafka(_)) => return Err(NoIdentity.into()),
            (None, None, None) => Identity { node: "local".into(), cluster: String::new() },
        };
        match stored {
            Some(stored) if stored.node != known.node => Err(WrongNode { stored: stored.node, found: known.node }.into()),
            _ => Ok(Some(known)),
        }
    }
}
