//! The load balancer's proxy beside nginx and HAProxy: the same three targets, the same load (wrk), the same machine,
//! in turns within one run. Requests per second and latency are those that wrk reports.
//!
//! `cargo bench --bench proxy -- [seconds per round] [rounds]` (6 and 3 unless told otherwise). nginx, haproxy and wrk
//! are taken from the path; what is missing is named and left out. Everything listens on loopback and ends with the
//! run.

use std::convert::Infallible;
use std::error::Error;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use switchback::chance::Chance;
use switchback::clock::Clock;
use switchback::dev::network::Network;
use switchback::dev::plane::{Action, Balancer, Group, Listener, Protocol, Routes, Target, TargetState};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Connections of wrk, and the threads that it drives them with.
const CONNECTIONS: u32 = 64;
const THREADS: u32 = 2;
/// What a target answers.
const BODY: [u8; 1024] = [b'x'; 1024];
/// How long a server may take to come up.
const START_MAX: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("target") => target(arguments.get(1).ok_or("an address")?.parse()?),
        Some("switchback") => {
            let addresses: Vec<SocketAddr> =
                arguments[1..].iter().map(|text| text.parse()).collect::<std::result::Result<_, _>>()?;
            proxy(addresses[0], &addresses[1..])
        }
        _ => {
            let number = |at: usize, otherwise| arguments.get(at).map_or(Ok(otherwise), |text| text.parse());
            compare(number(0, 6)?, u32::try_from(number(1, 3)?)?)
        }
    }
}

/// One of the three servers behind all proxies: one thread, as a small application is.
fn target(address: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let socket = tokio::net::TcpListener::bind(address).await?;
        loop {
            let (stream, _) = socket.accept().await?;
            stream.set_nodelay(true)?;
            let answer =
                service_fn(|_| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&BODY)))) });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    })
}

/// Our own: the data plane alone, as the dev cloud runs it.
fn proxy(address: SocketAddr, targets: &[SocketAddr]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let balancer = Balancer::new("app/bench/0", Network::Loopback, Clock::system(), &Chance::of_seed(1));
        let group = Group::new("bench");
        group.set_targets(targets.iter().map(|target| Target::new(*target, TargetState::Healthy)).collect());
        let routes = Routes::only(Action::forward_to(&group));
        let listener = Listener::bind(&balancer, address, Protocol::Http, routes).await?;
        std::future::pending::<()>().await;
        drop(listener);
        Ok(())
    })
}

/// A child process that does not outlive the run.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command, address: SocketAddr) -> Result<Running> {
    let running = Running(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
    let begun = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        if begun.elapsed() > START_MAX {
            return Err(format!("{} does not listen on {address}", command.get_program().display()).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(running)
}

fn free_address() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn find(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let folders = folders.unwrap_or_default().into_iter().chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn compare(seconds: u64, rounds: u32) -> Result<()> {
    let wrk = find("wrk").ok_or("wrk is missing: it is the load (Debian package `wrk`)")?;
    let folder = tempfile::tempdir()?;
    let this = std::env::current_exe()?;
    let mut running = Vec::new();
    let mut targets = Vec::new();
    for _ in 0..3 {
        let address = free_address()?;
        running.push(start(Command::new(&this).arg("target").arg(address.to_string()), address)?);
        targets.push(address);
    }
    let mut subjects = vec![("no proxy (one target)", targets[0])];
    let address = free_address()?;
    let mut own = Command::new(&this);
    own.arg("switchback").arg(address.to_string()).args(targets.iter().map(ToString::to_string));
    running.push(start(&mut own, address)?);
    subjects.push(("switchback", address));
    for (name, config, arguments) in [
        ("nginx", nginx as fn(&Path, SocketAddr, &[SocketAddr]) -> String, &["-g", "daemon off;", "-c"][..]),
        ("haproxy", haproxy, &["-db", "-f"]),
    ] {
        let Some(program) = find(name) else {
            println!("{name} is missing and left out (Debian package `{name}`)");
            continue;
        };
        let address = free_address()?;
        let file = folder.path().join(format!("{name}.conf"));
        std::fs::File::create(&file)?.write_all(config(folder.path(), address, &targets).as_bytes())?;
        let mut command = Command::new(program);
        command.current_dir(folder.path()).args(arguments).arg(&file).stderr(Stdio::null());
        running.push(start(&mut command, address)?);
        subjects.push((name, address));
    }
    println!(
        "{rounds} rounds of {seconds} s each, {CONNECTIONS} connections, {THREADS} threads of load, 3 targets, 1 KiB answers"
    );
    let mut found: Vec<Vec<Measured>> = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds {
        for (at, (_, address)) in subjects.iter().enumerate() {
            found[at].push(load(&wrk, *address, seconds)?);
        }
    }
    println!("{:<24}{:>14}{:>12}{:>12}{:>10}", "", "requests/s", "p50 ms", "p99 ms", "errors");
    let mut medians = Vec::new();
    for ((name, _), measured) in subjects.iter().zip(&mut found) {
        let median = |by: fn(&Measured) -> f64, all: &mut Vec<Measured>| {
            all.sort_by(|a, b| by(a).total_cmp(&by(b)));
            by(&all[all.len() / 2])
        };
        let (rate, p50, p99) =
            (median(|m| m.rate, measured), median(|m| m.p50_ms, measured), median(|m| m.p99_ms, measured));
        let errors: u64 = measured.iter().map(|m| m.errors).sum();
        println!("{name:<24}{rate:>14.0}{p50:>12.2}{p99:>12.2}{errors:>10}");
        medians.push((*name, rate, p99));
    }
    let of = |name| medians.iter().find(|(subject, ..)| *subject == name);
    if let (Some((_, ours, our_p99)), Some((_, theirs, their_p99))) = (of("switchback"), of("nginx")) {
        println!(
            "switchback: {:.2} of nginx's requests per second at {:.2} of its p99",
            ours / theirs,
            our_p99 / their_p99
        );
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
    errors: u64,
}

fn load(wrk: &Path, address: SocketAddr, seconds: u64) -> Result<Measured> {
    let output = Command::new(wrk)
        .args(["--latency", &format!("-t{THREADS}"), &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")])
        .arg(format!("http://{address}/"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = |label: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(label));
        line.ok_or_else(|| format!("wrk says nothing of `{label}`:\n{text}"))
    };
    // Both lines are there only where something went wrong.
    let count =
        |words: &str| words.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u64>().ok()).sum();
    let errors = after("Socket errors:").map_or(0, count) + after("Non-2xx or 3xx responses:").map_or(0, count);
    Ok(Measured {
        rate: after("Requests/sec:")?.trim().parse()?,
        p50_ms: milliseconds(after("50%")?)?,
        p99_ms: milliseconds(after("99%")?)?,
        errors,
    })
}

/// `1.25ms`, `800.00us`, `1.02s`.
fn milliseconds(text: &str) -> Result<f64> {
    let text = text.trim();
    for (unit, factor) in [("us", 0.001), ("ms", 1.0), ("s", 1000.0)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * factor);
        }
    }
    Err(format!("`{text}` is no time").into())
}

fn nginx(folder: &Path, address: SocketAddr, targets: &[SocketAddr]) -> String {
    let servers: String = targets.iter().map(|target| format!("server {target};")).collect();
    let folder = folder.display();
    format!(
        "worker_processes auto; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/body;
            proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            upstream targets {{ {servers} keepalive 64; keepalive_requests 1000000000; }}
            server {{
                listen {address};
                location / {{
                    proxy_pass http://targets; proxy_http_version 1.1; proxy_set_header Connection \"\";
                    proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Port $server_port;
                }}
            }}
        }}\n"
    )
}

fn haproxy(_: &Path, address: SocketAddr, targets: &[SocketAddr]) -> String {
    let servers =
        targets.iter().enumerate().map(|(at, target)| format!("  server t{at} {target}\n")).collect::<String>();
    format!(
        "global\n  maxconn 4096\n\
         defaults\n  mode http\n  timeout connect 10s\n  timeout client 60s\n  timeout server 60s\n  option forwardfor\n\
         frontend in\n  bind {address}\n  default_backend targets\n\
         backend targets\n  balance roundrobin\n  http-reuse always\n{servers}"
    )
}
