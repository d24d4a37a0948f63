//! Guarded: what a password, counting requests and TLS cost, as ratios to the same server without.

use crate::exchange::{self, Pair, Peer};
use crate::load::{CONNECTIONS, PIPELINE, percentile};
use crate::server::{Server, Setup};
use crate::{Result, events, vectors};
use cairn_client::{Client, Sim, Using};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const ROUNDS: usize = 3;
const VECTORS: usize = 30_000;
const SIMS: usize = 3_000;
const PASSWORD: &str = "a-password-of-a-bench";

/// Rates of VECSET and EVENT, and the median time of a SIM, of one kind of server in each round.
#[derive(Default)]
struct Kind {
    vecset: Vec<f64>,
    event: Vec<f64>,
    sim_us: Vec<f64>,
}

/// Runs every kind of server in turn, and prints their medians.
pub async fn run() -> Result<()> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let (cert_pem, key_pem) = (cert.pem(), signing_key.serialize_pem());
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone())?;
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tls = TlsConnector::from(Arc::new(tls));
    let open = Setup::default;
    let setups = [
        ("open", open()),
        ("with a password", Setup { password: Some(PASSWORD), ..open() }),
        ("with a password, requests counted", Setup { password: Some(PASSWORD), limited: true, ..open() }),
        ("with TLS", Setup { certificate: Some((&cert_pem, &key_pem)), ..open() }),
    ];
    let share = |pairs| exchange::windows(pairs, CONNECTIONS, PIPELINE);
    let vecset = share((0..VECTORS).map(|n| request(&vectors::vecset(n), "OK VECSET")).collect());
    let lines = events::sample()?;
    let event = share(lines.iter().map(|line| request(line, "OK EVENT")).collect());
    let mut kinds: Vec<Kind> = setups.iter().map(|_| Kind::default()).collect();
    let mut sims = None;
    for _ in 0..ROUNDS {
        for ((_, setup), kind) in setups.iter().zip(&mut kinds) {
            let server = Server::start_as(setup)?;
            let peer = Peer {
                addr: server.addr.clone(),
                tls: setup.certificate.is_some().then(|| tls.clone()),
                hello: setup.password.map(|password| request(&format!("AUTH {password}"), "+OK")),
            };
            let rate = |n: usize, took: Duration| n as f64 / took.as_secs_f64();
            kind.event.push(rate(lines.len(), exchange::run(&peer, &event).await?));
            // The replies are the same for all: the first, which is open to anyone, tells them.
            if sims.is_none() {
                sims = Some(exchange::windows(searches(&server.addr, SIMS).await?, 1, 1));
            }
            let windows = sims.as_ref().and_then(|sims| sims.first()).map_or(&[][..], Vec::as_slice);
            let times = exchange::times(&peer, windows).await?;
            kind.sim_us.push(percentile(&times, 0.5).as_secs_f64() * 1e6);
            kind.vecset.push(rate(VECTORS, exchange::run(&peer, &vecset).await?));
        }
    }
    let medians: Vec<[f64; 3]> = kinds
        .into_iter()
        .map(|kind| [median(kind.vecset), median(kind.event), median(kind.sim_us)])
        .collect();
    let first = medians.first().copied().unwrap_or_default();
    for ((name, _), [vecset, event, sim]) in setups.iter().zip(&medians) {
        println!(
            "| {name}: VECSET, EVENT, p50 of SIM using=events | {vecset:.0}/s ({:.2} ×), {event:.0}/s ({:.2} ×), {sim:.0} µs ({:.2} ×) |",
            vecset / first[0],
            event / first[1],
            sim / first[2]
        );
    }
    Ok(())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A request line and its one-line reply.
fn request(line: &str, reply: &str) -> Pair {
    (format!("{line}\r\n").into_bytes(), format!("{reply}\r\n").into_bytes())
}

/// Searches by events for so many items of the sample, the distinct ones in turn, each with the reply it has.
async fn searches(addr: &str, n: usize) -> Result<Vec<Pair>> {
    let mut ids: Vec<String> =
        events::sample()?.iter().filter_map(|line| line.split(' ').nth(3).map(str::to_owned)).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut client = Client::connect(addr).await?;
    let how = Sim { using: Some(Using::Events), ..Sim::default() };
    let mut pairs = Vec::new();
    for id in ids.iter().take(n) {
        let hits = client.sim(id, 10, &how).await?;
        let mut reply = format!("OK RESULTS {}", hits.len());
        hits.iter().for_each(|hit| reply += &format!("\r\n{} {:.4}", hit.id, hit.score));
        pairs.push(request(&format!("SIM {id} 10 using=events"), &reply));
    }
    Ok(pairs.iter().cycle().take(n).cloned().collect())
}
