//! The schema of the node that the agent sits beside, over CQL.
//!
//! Only the contact point itself is asked. `system_schema` and `system.local` are each node's own, and the log
//! that we read was written under this node's schema, not under that of a peer which may be ahead.
//!
//! Cassandra: `SchemaKeyspace`, `SystemKeyspace.Local`.

use super::{Catalog, DefinitionError, SchemaRows};
use futures::TryStreamExt;
use futures::future::{self, BoxFuture};
use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslFiletype, SslMethod};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::{OpenSsl010Config, Session};
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{PoolSize, SelfIdentity};
use scylla::cluster::metadata::Peer;
use scylla::errors::{NewSessionError, NextRowError, PagerExecutionError, TranslationError, TypeCheckError};
use scylla::policies::address_translator::{AddressTranslator, UntranslatedPeer};
use scylla::policies::host_filter::HostFilter;
use scylla::statement::Consistency;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use thiserror::Error;
use tokio::net::lookup_host;
use uuid::Uuid;

/// The port of a contact point that names none.
const CQL_PORT: u16 = 9042;
/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one query may take; the tables are small and local.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the rows are read while they keep changing.
const READINGS_MAX: usize = 8;

/// How to reach the node, and how to be let in.
#[derive(Clone, Default)]
pub struct CqlConfig {
    /// `host:port` or `host`, tried in this order until one answers. All must be this node.
    pub contact_points: Vec<String>,
    /// For `PasswordAuthenticator`; used together with `password`.
    pub username: Option<String>,
    /// Never printed.
    pub password: Option<String>,
    /// Encryption, if the node wants it.
    pub tls: Option<CqlTls>,
    /// If set, a node of another data center is refused: it is not the one beside us.
    pub local_dc: Option<String>,
}

/// Encryption of the CQL connection. All files are PEM.
#[derive(Clone, Debug, Default)]
pub struct CqlTls {
    /// Authorities to trust; without it, the system's. The node's certificate must name the address used.
    pub ca: Option<PathBuf>,
    /// Our certificate chain, if the node asks for one; together with `key`.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// Who the node is (`system.local`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NodeIdentity {
    /// Its host id, which it keeps for life.
    #[serde(deserialize_with = "uuid_from_text")]
    pub host_id: Uuid,
    /// The cluster it belongs to.
    pub cluster_name: String,
    /// Its release, like `4.1.6`.
    pub release_version: String,
    /// Its data center.
    pub data_center: String,
}

/// What a node says about itself and its tables.
#[derive(Clone, Debug)]
pub struct LiveSchema {
    /// Who it is.
    pub node: NodeIdentity,
    /// Its rows of `system_schema`.
    pub rows: SchemaRows,
    /// The tables they define, Cassandra's own included.
    pub catalog: Catalog,
    /// Definitions that could not be used; their tables are not in the catalog.
    pub problems: Vec<DefinitionError>,
}

/// Why there is no schema from the node.
#[derive(Debug, Error)]
pub enum LiveSchemaError {
    /// The configuration names no contact point.
    #[error("schema.cql.contact_points is empty")]
    NoContactPoint,
    /// A file for the encrypted connection cannot be used.
    #[error("cannot use {what} {path}")]
    Tls {
        /// Which file.
        what: &'static str,
        /// Where it is.
        path: String,
        /// Why not.
        source: TlsError,
    },
    /// None of the contact points gave the schema.
    #[error("no contact point gave the schema: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    ContactPoints(Vec<ContactPointError>),
}

/// Why a file for the encrypted connection cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not what it should be.
    #[error(transparent)]
    OpenSsl(#[from] ErrorStack),
}

/// What one contact point answered instead of the schema.
#[derive(Debug, Error)]
#[error("{contact_point}: {reason}")]
pub struct ContactPointError {
    /// `host:port`.
    pub contact_point: String,
    /// What went wrong there.
    pub reason: ContactPointFailure,
}

/// What can go wrong at one contact point.
#[derive(Debug, Error)]
pub enum ContactPointFailure {
    /// The name is unknown.
    #[error("cannot resolve the name: {0}")]
    Resolve(#[from] io::Error),
    /// No connection: unreachable, refused, not authenticated.
    #[error("cannot connect: {0}")]
    Connect(#[from] NewSessionError),
    /// A query failed.
    #[error("cannot read {table}: {source}")]
    Query {
        /// The table.
        table: &'static str,
        /// Why.
        source: QueryFailure,
    },
    /// Another data center than the configured one.
    #[error("expected a node of data center {expected:?}, found one of {found:?}")]
    DataCenter {
        /// The configured one.
        expected: String,
        /// The node's.
        found: String,
    },
    /// The schema was different each time it was read.
    #[error("the schema kept changing over {READINGS_MAX} readings")]
    Changing,
}

/// Why a table could not be read.
#[derive(Debug, Error)]
pub enum QueryFailure {
    /// The node refused the query or did not answer.
    #[error(transparent)]
    Execution(#[from] PagerExecutionError),
    /// A page of it did not come.
    #[error(transparent)]
    NextRow(#[from] NextRowError),
    /// The answer has not the column that `SELECT JSON` gives.
    #[error(transparent)]
    Shape(#[from] TypeCheckError),
    /// A row is not what it is in the releases we know.
    #[error(transparent)]
    Row(#[from] serde_json::Error),
    /// The table has no row.
    #[error("expected one row, found none")]
    Missing,
}

/// Reads the schema and the identity of the node.
///
/// Rows are read until two readings in a row agree, because a DDL statement changes several tables one after
/// the other.
///
/// # Errors
/// [`LiveSchemaError`]; what each contact point said is in it.
pub async fn read(config: &CqlConfig) -> Result<LiveSchema, LiveSchemaError> {
    if config.contact_points.is_empty() {
        return Err(LiveSchemaError::NoContactPoint);
    }
    let mut failures = Vec::new();
    for contact_point in &config.contact_points {
        let tls = config.tls.as_ref().map(tls_config).transpose()?;
        let failed = |reason| ContactPointError { contact_point: contact_point.clone(), reason };
        let addresses = match resolve(contact_point).await {
            Ok(addresses) => addresses,
            Err(error) => {
                failures.push(failed(error.into()));
                continue;
            }
        };
        for address in addresses {
            match read_from(config, address, tls.clone()).await {
                Ok(schema) => return Ok(schema),
                Err(reason) => failures.push(failed(reason)),
            }
        }
    }
    Err(LiveSchemaError::ContactPoints(failures))
}

/// The addresses of a contact point; without a port it has CQL's usual one.
async fn resolve(contact_point: &str) -> io::Result<Vec<SocketAddr>> {
    let has_port = contact_point.parse::<IpAddr>().is_err() && contact_point.rsplit_once(':').is_some();
    if has_port {
        return Ok(lookup_host(contact_point).await?.collect());
    }
    Ok(lookup_host((contact_point, CQL_PORT)).await?.collect())
}

async fn read_from(config: &CqlConfig, address: SocketAddr, tls: Option<OpenSsl010Config>) -> Result<LiveSchema, ContactPointFailure> {
    let session = connect(config, address, tls).await?;
    let node = select("system.local", "host_id, cluster_name, release_version, data_center", &session).await?;
    let node: NodeIdentity =
        node.into_iter().next().ok_or(ContactPointFailure::Query { table: "system.local", source: QueryFailure::Missing })?;
    if let Some(expected) = config.local_dc.as_ref().filter(|expected| **expected != node.data_center) {
        return Err(ContactPointFailure::DataCenter { expected: expected.clone(), found: node.data_center });
    }

    let mut rows = read_rows(&session).await?;
    for _ in 1..READINGS_MAX {
        let again = read_rows(&session).await?;
        if again == rows {
            let resolved = rows.resolve();
            return Ok(LiveSchema { node, rows, catalog: resolved.catalog, problems: resolved.problems });
        }
        rows = again;
    }
    Err(ContactPointFailure::Changing)
}

/// A session that knows this one node and opens one connection to it besides the driver's own.
async fn connect(config: &CqlConfig, address: SocketAddr, tls: Option<OpenSsl010Config>) -> Result<Session, NewSessionError> {
    let profile = ExecutionProfile::builder().consistency(Consistency::One).request_timeout(Some(REQUEST_TIMEOUT)).build();
    let mut builder = SessionBuilder::new()
        .known_node_addr(address)
        .host_filter(Arc::new(OneNode::default()))
        .address_translator(Arc::new(ToContactPoint(address)))
        .default_execution_profile_handle(profile.into_handle())
        .pool_size(PoolSize::PerHost(NonZeroUsize::MIN))
        .disallow_shard_aware_port(true)
        .fetch_schema_metadata(false)
        .auto_await_schema_agreement(false)
        .connection_timeout(CONNECT_TIMEOUT)
        .custom_identity(SelfIdentity::new().with_application_name("ringtail").with_application_version(env!("CARGO_PKG_VERSION")))
        .tls_context(tls);
    if let (Some(username), Some(password)) = (&config.username, &config.password) {
        builder = builder.user(username, password);
    }
    builder.build().await
}

/// Lets the driver see one node only, whichever it names first: [`ToContactPoint`] makes it the contact point.
#[derive(Default)]
struct OneNode(OnceLock<Uuid>);

impl HostFilter for OneNode {
    fn accept(&self, peer: &Peer) -> bool {
        *self.0.get_or_init(|| peer.host_id) == peer.host_id
    }
}

/// Sends every connection to the contact point. The driver would otherwise use the addresses that the cluster
/// gives, which need not be reachable from here and may be those of other nodes.
struct ToContactPoint(SocketAddr);

impl AddressTranslator for ToContactPoint {
    // What `#[async_trait]` makes of the trait's `async fn`.
    fn translate_address<'s, 'p, 'f>(&'s self, _peer: &'p UntranslatedPeer<'_>) -> BoxFuture<'f, Result<SocketAddr, TranslationError>>
    where
        's: 'f,
        'p: 'f,
        Self: 'f,
    {
        Box::pin(future::ready(Ok(self.0)))
    }
}

async fn read_rows(session: &Session) -> Result<SchemaRows, ContactPointFailure> {
    Ok(SchemaRows {
        keyspaces: select("system_schema.keyspaces", "*", session).await?,
        tables: select("system_schema.tables", "*", session).await?,
        columns: select("system_schema.columns", "*", session).await?,
        views: select("system_schema.views", "*", session).await?,
        dropped_columns: select("system_schema.dropped_columns", "*", session).await?,
        types: select("system_schema.types", "*", session).await?,
    })
}

/// All rows of a table, each as the JSON object that the node makes of it: columns go by name, so that those which
/// a release does not have, or has more, do no harm.
async fn select<R: DeserializeOwned>(table: &'static str, columns: &str, session: &Session) -> Result<Vec<R>, ContactPointFailure> {
    let rows = async {
        let pager = session.query_iter(format!("SELECT JSON {columns} FROM {table}"), ()).await?;
        let mut stream = pager.rows_stream::<(String,)>()?;
        let mut rows = Vec::new();
        while let Some((json,)) = stream.try_next().await? {
            rows.push(serde_json::from_str(&json)?);
        }
        Ok(rows)
    };
    rows.await.map_err(|source| ContactPointFailure::Query { table, source })
}

fn tls_config(tls: &CqlTls) -> Result<OpenSsl010Config, LiveSchemaError> {
    let failed = |what: &'static str, path: &Path| {
        let path = path.display().to_string();
        move |source: TlsError| LiveSchemaError::Tls { what, path, source }
    };
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(|error| failed("openssl", Path::new(""))(error.into()))?;
    if let Some(ca) = &tls.ca {
        builder.set_cert_store(authorities(ca).map_err(failed("schema.cql.tls.ca", ca))?);
    }
    if let Some(cert) = &tls.cert {
        builder.set_certificate_chain_file(cert).map_err(|error| failed("schema.cql.tls.cert", cert)(error.into()))?;
    }
    if let Some(key) = &tls.key {
        builder.set_private_key_file(key, SslFiletype::PEM).map_err(|error| failed("schema.cql.tls.key", key)(error.into()))?;
    }
    Ok(OpenSsl010Config::new(builder))
}

/// The authorities of a file, and no others.
fn authorities(ca: &Path) -> Result<openssl::x509::store::X509Store, TlsError> {
    let mut store = X509StoreBuilder::new()?;
    for certificate in X509::stack_from_pem(&std::fs::read(ca)?)? {
        store.add_cert(certificate)?;
    }
    Ok(store.build())
}

fn uuid_from_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let text = String::deserialize(deserializer)?;
    Uuid::parse_str(&text).map_err(serde::de::Error::custom)
}

/// Without the password.
impl fmt::Debug for CqlConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CqlConfig")
            .field("contact_points", &self.contact_points)
            .field("username", &self.username)
            .field("tls", &self.tls)
            .field("local_dc", &self.local_dc)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "live_test.rs"]
mod tests;
