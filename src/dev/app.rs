//! The sample program that instances of the demo run: an HTTP server that tells its version, and misbehaves on request.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::network::{Network, Socket, Stream};

/// How long requests in flight may take to finish after SIGTERM.
const FINISH: Duration = Duration::from_secs(30);

/// Stands for every path in a [`PathFault`].
const EVERY_PATH: &str = "/*";

const X_VERSION: HeaderName = HeaderName::from_static("x-version");

/// What the program serves, and how it misbehaves. The address comes from `HOST` and `PORT`, as for any other image.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct AppOptions {
    /// The version that it tells in `/`, `/version` and the header `x-version`.
    #[arg(id = "app-version", long = "app-version", value_name = "TEXT", default_value = "v1")]
    pub version: String,
    /// Serve every path under this prefix too: with `/api`, `/api/version` answers as `/version` does.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub prefix: String,
    /// Wait this long before listening.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub start_delay: Duration,
    /// Exit with code 1 after this time.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub exit_after: Option<Duration>,
    /// Misbehave on one path (or on /* for all): /PATH=hang, =wrong-body, =status:CODE, =late:DURATION, =exit.
    #[arg(long = "on", value_name = "PATH=FAULT")]
    pub faults: Vec<PathFault>,
}

/// A path and how the program misbehaves there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFault {
    /// The path, without query; `/*` for all.
    pub path: String,
    /// What happens.
    pub fault: Fault,
}

/// How the program misbehaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Take the request and never answer.
    Hang,
    /// Answer 200 with another body.
    WrongBody,
    /// Answer with this status.
    Status(StatusCode),
    /// Answer rightly, after this time.
    Late(Duration),
    /// End the program at once, with code 1.
    Exit,
}

/// A text that is no [`PathFault`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected /PATH=hang, /PATH=wrong-body, /PATH=status:CODE, /PATH=late:DURATION or /PATH=exit")]
pub struct InvalidFault;

impl AppOptions {
    /// A well-behaved program of this version.
    pub fn new(version: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            prefix: String::new(),
            start_delay: Duration::ZERO,
            exit_after: None,
            faults: Vec::new(),
        }
    }
}

/// Runs the program until SIGTERM or Ctrl-C, on the address in `HOST` (127.0.0.1) and `PORT` (8080).
///
/// # Errors
/// `HOST` or `PORT` cannot be understood, or the address cannot be listened on.
pub async fn run(options: AppOptions) -> io::Result<()> {
    let host: IpAddr = variable("HOST", IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let port: u16 = variable("PORT", 8080)?;
    let instance = variable("INSTANCE_ID", String::from("i-local"))?;
    let address = SocketAddr::new(host, port);
    // Before the delay: a SIGTERM while it waits must end it cleanly, too.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
    };
    match live(&Network::Loopback, address, options, instance, &Life::default(), stop).await? {
        Exit::Stopped => Ok(()),
        Exit::Failed => std::process::exit(1),
    }
}

/// What happens to a running program from outside, beside being asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Life {
    exit: CancellationToken,
    frozen: watch::Sender<bool>,
}

impl Life {
    /// Ends the program at once, with code 1 and with requests in flight.
    pub fn exit(&self) {
        self.exit.cancel();
    }

    /// While it is frozen the program takes connections and requests, and answers none, as after SIGSTOP.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    async fn thawed(&self) {
        // The sender is our own field, so the channel cannot be closed while we wait.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was asked to stop, and has finished what was in flight.
    Stopped,
    /// Code 1: as its options or a fault wanted it, or through [`Life::exit`].
    Failed,
}

/// The whole life of the program on `network`: it waits, listens, serves, and ends when `stop` does.
///
/// # Errors
/// The address cannot be listened on.
pub async fn live(
    network: &Network,
    address: SocketAddr,
    options: AppOptions,
    instance: String,
    life: &Life,
    stop: impl Future<Output = ()>,
) -> io::Result<Exit> {
    let (start_delay, exit_after) = (options.start_delay, options.exit_after);
    let work = async {
        tokio::pin!(stop);
        tokio::select! {
            biased;
            () = &mut stop => return Ok(Exit::Stopped),
            () = tokio::time::sleep(start_delay) => (),
        }
        let socket = network
            .bind(address)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
        serve(socket, options, instance, life.clone(), stop).await;
        Ok(Exit::Stopped)
    };
    let end = async {
        match exit_after {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = life.exit.cancelled() => Ok(Exit::Failed),
        () = end => Ok(Exit::Failed),
        ended = work => ended,
    }
}

/// Serves on `socket` until `stop` ends, then finishes what is in flight; dropped, it cuts everything. `start_delay`
/// and `exit_after` belong to [`live`].
pub async fn serve(
    mut socket: Socket,
    options: AppOptions,
    instance: String,
    life: Life,
    stop: impl Future<Output = ()>,
) {
    // Hyper writes the machine's time of day, which a test on a network in memory does not own.
    let dated = matches!(socket, Socket::Tcp(_));
    let x_version = header_value(&options.version);
    let app = Arc::new(App { options, instance, x_version, dated, life });
    let connections = GracefulShutdown::new();
    // Dropped with this future, and with it every connection.
    let mut tasks = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = tasks.join_next() => continue,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connections.watch(app.clone().connection(stream));
                tasks.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "connection ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(socket);
    if tokio::time::timeout(FINISH, connections.shutdown()).await.is_err() {
        tracing::warn!(?FINISH, "requests cut: they did not finish in time");
    }
}

struct App {
    options: AppOptions,
    instance: String,
    x_version: HeaderValue,
    dated: bool,
    life: Life,
}

type Answer = Response<Either<Full<Bytes>, http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>>>;

impl App {
    fn connection(
        self: Arc<Self>,
        stream: Stream,
    ) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send {
        let dated = self.dated;
        let service = service_fn(move |request| {
            let app = self.clone();
            async move { Ok::<_, Infallible>(app.answer(request).await) }
        });
        // No limit on idle connections: the load balancer closes them, never its targets.
        http1::Builder::new()
            .auto_date_header(dated)
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service)
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.life.thawed().await;
        let path = self.path(&request);
        let fault = self.options.faults.iter().find(|on| on.path == path || on.path == EVERY_PATH).map(|on| &on.fault);
        let mut answer = match fault {
            None => self.page(&request),
            Some(Fault::Late(delay)) => {
                tokio::time::sleep(*delay).await;
                self.page(&request)
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::WrongBody) => text(StatusCode::OK, "this is not what you expected"),
            Some(Fault::Status(status)) => text(*status, status.as_str()),
            Some(Fault::Exit) => {
                self.life.exit();
                std::future::pending().await
            }
        };
        answer.headers_mut().insert(X_VERSION, self.x_version.clone());
        answer
    }

    /// The path without the prefix.
    fn path<'a>(&self, request: &'a Request<Incoming>) -> &'a str {
        let path = request.uri().path();
        path.strip_prefix(self.options.prefix.as_str()).filter(|rest| rest.starts_with('/')).unwrap_or(path)
    }

    fn page(&self, request: &Request<Incoming>) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
        }
        match self.path(request) {
            "/" => {
                let body = serde_json::json!({ "version": self.options.version, "instance": self.instance });
                let mut page = text(StatusCode::OK, &body.to_string());
                page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                page
            }
            "/healthz" => text(StatusCode::OK, "ok"),
            "/version" => text(StatusCode::OK, &self.options.version),
            "/stream" => self.stream(request.uri().query().unwrap_or_default()),
            _ => text(StatusCode::NOT_FOUND, "not found"),
        }
    }

    /// `/stream?lines=10&pause=100ms`: the version, line by line.
    fn stream(&self, query: &str) -> Answer {
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find_map(|(key, value)| (key == name).then_some(value))
        };
        let lines: u32 = parameter("lines").and_then(|lines| lines.parse().ok()).unwrap_or(10);
        let pause = parameter("pause").and_then(|pause| duration(pause).ok()).unwrap_or(Duration::from_millis(100));
        let line = Bytes::from(format!("{}\n", self.options.version));
        let body = stream::unfold(lines, move |left| {
            let line = line.clone();
            async move {
                let left = left.checked_sub(1)?;
                tokio::time::sleep(pause).await;
                Some((Ok(Frame::data(line)), left))
            }
        });
        Response::new(Either::Right(StreamBody::new(body).boxed_unsync()))
    }
}

fn text(status: StatusCode, body: &str) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::copy_from_slice(body.as_bytes()))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// The version as a header; what a header cannot hold is left out.
fn header_value(version: &str) -> HeaderValue {
    let plain: String = version.chars().filter(char::is_ascii_graphic).collect();
    HeaderValue::try_from(plain).expect("visible ASCII characters are a header value")
}

fn variable<T: FromStr>(name: &str, default: T) -> io::Result<T> {
    match std::env::var(name) {
        Err(std::env::VarError::NotPresent) => Ok(default),
        Ok(text) => text.parse().map_err(|_| io::Error::other(format!("{name} is `{text}`, which cannot be used"))),
        Err(error) => Err(io::Error::other(format!("{name}: {error}"))),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    duration.try_into().map_err(|_| format!("`{text}` is negative"))
}

impl FromStr for PathFault {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let (path, fault) = text.split_once('=').ok_or(InvalidFault)?;
        if !path.starts_with('/') {
            return Err(InvalidFault);
        }
        let fault = match fault.split_once(':') {
            None if fault == "hang" => Fault::Hang,
            None if fault == "wrong-body" => Fault::WrongBody,
            None if fault == "exit" => Fault::Exit,
            Some(("status", code)) => Fault::Status(code.parse().map_err(|_| InvalidFault)?),
            Some(("late", delay)) => Fault::Late(duration(delay).map_err(|_| InvalidFault)?),
            _ => return Err(InvalidFault),
        };
        Ok(Self { path: path.to_owned(), fault })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;

    struct Running {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        task: JoinHandle<()>,
    }

    async fn start(faults: &[&str]) -> Running {
        let options = AppOptions {
            faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
            ..AppOptions::new("v 7")
        };
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(Socket::Tcp(socket), options, "i-1".into(), Life::default(), async {
            stopped.await.unwrap_or_default()
        }));
        Running { address, stop, task }
    }

    async fn request(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut answer = String::new();
        request(address, path).await.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_tells_its_version_and_instance() {
        let app = start(&[]).await;
        let page = get(app.address, "/").await;
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("\r\nx-version: v7\r\n"), "{page}");
        assert!(page.ends_with(r#"{"version":"v 7","instance":"i-1"}"#), "{page}");
        assert!(get(app.address, "/version").await.ends_with("\r\n\r\nv 7"));
        assert!(get(app.address, "/healthz").await.ends_with("\r\n\r\nok"));
        assert!(get(app.address, "/nothing").await.starts_with("HTTP/1.1 404 "));
    }

    #[tokio::test]
    async fn it_serves_the_same_under_a_prefix() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let options = AppOptions { prefix: "/api".into(), ..AppOptions::new("v7") };
        let task =
            tokio::spawn(serve(Socket::Tcp(socket), options, "i-1".into(), Life::default(), std::future::pending()));
        for path in ["/version", "/api/version"] {
            assert!(get(address, path).await.ends_with("\r\n\r\nv7"), "{path}");
        }
        for path in ["/apiversion", "/api", "/api/api/version"] {
            assert!(get(address, path).await.starts_with("HTTP/1.1 404 "), "{path}");
        }
        task.abort();
    }

    #[tokio::test]
    async fn it_misbehaves_on_the_path_it_was_told_and_nowhere_else() {
        let app = start(&["/healthz=status:500", "/version=wrong-body", "/=hang", "/nothing=late:1ms"]).await;
        assert!(get(app.address, "/healthz").await.starts_with("HTTP/1.1 500 "));
        let wrong = get(app.address, "/version").await;
        assert!(wrong.starts_with("HTTP/1.1 200 ") && wrong.ends_with("this is not what you expected"), "{wrong}");
        assert!(get(app.address, "/nothing").await.starts_with("HTTP/1.1 404 "));
        let hang = tokio::time::timeout(Duration::from_millis(50), get(app.address, "/")).await;
        assert!(hang.is_err(), "{hang:?}");
    }

    #[tokio::test]
    async fn when_it_is_stopped_it_finishes_what_is_in_flight() {
        let app = start(&[]).await;
        let mut stream = request(app.address, "/stream?lines=3&pause=20ms").await;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        app.stop.send(()).unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest.matches("v 7\n").count(), 3, "{rest}");
        tokio::time::timeout(Duration::from_secs(20), app.task).await.expect("it ends").unwrap();
    }

    #[tokio::test]
    async fn when_it_is_stopped_it_takes_nothing_new_while_it_finishes() {
        let app = start(&["/=hang"]).await;
        let _in_flight = request(app.address, "/").await;
        assert!(get(app.address, "/healthz").await.ends_with("ok"), "and so the request before it has been taken, too");
        app.stop.send(()).unwrap();
        let refused = async {
            while TcpStream::connect(app.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), refused).await.expect("no connection is taken any more");
        assert!(!app.task.is_finished());
        app.task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_network_in_memory_it_can_be_late_freeze_and_die() {
        let (network, life) = (Network::memory(), Life::default());
        let address = SocketAddr::from(([10, 0, 0, 1], 8080));
        let options = AppOptions { start_delay: Duration::from_secs(60), ..AppOptions::new("v7") };
        let program = {
            let (network, life) = (network.clone(), life.clone());
            tokio::spawn(
                async move { live(&network, address, options, "i-1".into(), &life, std::future::pending()).await },
            )
        };
        assert!(network.connect(address).await.is_err(), "it does not listen yet");
        tokio::time::sleep(Duration::from_secs(61)).await;
        let ask = async || {
            let mut stream = network.connect(address).await.unwrap();
            stream.write_all(b"GET /version HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        assert!(ask().await.ends_with("v7"));
        life.freeze(true);
        assert!(tokio::time::timeout(Duration::from_secs(3600), ask()).await.is_err());
        life.freeze(false);
        assert!(ask().await.ends_with("v7"));
        life.freeze(true);
        let (answer, ()) = tokio::join!(ask(), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            life.exit();
        });
        assert_eq!(answer, "", "a request in flight is cut");
        assert_eq!(program.await.unwrap().unwrap(), Exit::Failed);
        assert!(network.connect(address).await.is_err());
    }

    #[test]
    fn a_fault_is_a_path_and_what_happens_there() {
        let fault = |text: &str| text.parse::<PathFault>().map(|on| (on.path, on.fault));
        assert_eq!(fault("/a=b=hang").map_err(|_| ()), Err(()), "the path ends at the first `=`");
        assert_eq!(fault("/a=exit"), Ok(("/a".into(), Fault::Exit)));
        assert_eq!(fault("/=late:1500ms"), Ok(("/".into(), Fault::Late(Duration::from_millis(1500)))));
        assert_eq!(fault("/a=status:418"), Ok(("/a".into(), Fault::Status(StatusCode::IM_A_TEAPOT))));
        for text in ["", "hang", "a=hang", "/a", "/a=hung", "/a=status:20", "/a=late:-1s", "/a=late:5", "/a=exit:1"] {
            assert_eq!(fault(text), Err(InvalidFault), "{text}");
        }
    }
}
