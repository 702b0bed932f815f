//! A stand-in for Node: takes requests apart by hand, keeps their bytes, answers with given bytes.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::sleep,
};

use crate::place::until;

/// What is done with the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Keep,
    Close,
    Reset,
    /// What comes is sent back.
    Echo,
}

/// One step of an answer.
#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// Until the test opens the gate once more.
    Gate,
}

/// An answer; requests name it by `x-plan`.
#[derive(Clone, Debug)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub then: Then,
    /// Answer after the head, before the body is read.
    pub early: bool,
}

impl Plan {
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::steps(vec![Step::Send(bytes.as_ref().to_vec())])
    }

    pub fn steps(steps: Vec<Step>) -> Self {
        Self { steps, then: Then::Keep, early: false }
    }

    pub fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub head: Vec<u8>,
    /// With its framing.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    plans: Mutex<HashMap<String, Plan>>,
    received: Mutex<HashMap<String, Received>>,
    /// How each connection ended that was watched while its answer was under way.
    left: Mutex<Vec<String>>,
    gate: Notify,
    connections: AtomicUsize,
    body_bytes: AtomicUsize,
}

/// The stand-in.
pub struct Node {
    pub address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const HEALTH: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{\"status\":\"healthy\",\"version\":\"1.1.314\"}";

impl Node {
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn plan(&self, name: &str, plan: Plan) {
        self.state.plans.lock().insert(name.to_owned(), plan);
    }

    /// Lets one waiting answer go on.
    pub fn open(&self) {
        self.state.gate.notify_one();
    }

    pub fn find(&self, name: &str) -> Option<Received> {
        self.state.received.lock().get(name).cloned()
    }

    /// The request that named this plan, once it is there whole.
    pub async fn received(&self, name: &str) -> Received {
        until("the request", async || self.find(name).is_some()).await;
        self.find(name).unwrap()
    }

    /// Waits until the client of this plan was seen to leave.
    pub async fn left(&self, name: &str) {
        until("the client to leave", async || self.state.left.lock().iter().any(|n| n == name))
            .await;
    }

    pub fn has_left(&self, name: &str) -> bool {
        self.state.left.lock().iter().any(|n| n == name)
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Body bytes read so far, of all requests.
    pub fn body_bytes(&self) -> usize {
        self.state.body_bytes.load(Ordering::SeqCst)
    }
}

fn header(head: &[u8], name: &str) -> Option<String> {
    let head = String::from_utf8_lossy(head).into_owned();
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    stream.set_nodelay(true).unwrap();
    state.connections.fetch_add(1, Ordering::SeqCst);
    let mut stream = BufReader::new(stream);
    loop {
        let Some(head) = read_head(&mut stream).await else { return };
        let Some(name) = header(&head, "x-plan") else {
            if stream.write_all(HEALTH.as_bytes()).await.is_err() {
                return;
            }
            continue;
        };
        let plan = state.plans.lock().get(&name).cloned();
        let plan = plan.unwrap_or_else(|| panic!("no plan {name}"));
        let mut received = Received { head, body: Vec::new() };
        if header(&received.head, "expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        }
        if !plan.early && read_body(&mut stream, &mut received, &state).await.is_none() {
            state.left.lock().push(name);
            return;
        }
        state.received.lock().insert(name.clone(), received.clone());
        if !answer(&mut stream, &plan, &name, &state).await {
            return;
        }
        if plan.early && plan.then == Then::Keep {
            read_body(&mut stream, &mut received, &state).await;
            state.received.lock().insert(name.clone(), received);
        }
        match plan.then {
            Then::Keep => {}
            Then::Close => return,
            Then::Reset => {
                stream.get_ref().set_zero_linger().unwrap();
                return;
            }
            Then::Echo => {
                let (mut reads, mut writes) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut reads, &mut writes).await;
                state.left.lock().push(name);
                return;
            }
        }
    }
}

/// Takes the steps while watching for the client to leave.
async fn answer(stream: &mut BufReader<TcpStream>, plan: &Plan, name: &str, state: &State) -> bool {
    for step in &plan.steps {
        match step {
            Step::Send(bytes) => {
                if stream.write_all(bytes).await.is_err() {
                    state.left.lock().push(name.to_owned());
                    return false;
                }
            }
            step => {
                let wait = async {
                    match step {
                        Step::Wait(time) => sleep(*time).await,
                        _ => state.gate.notified().await,
                    }
                };
                let watched = async {
                    if plan.early {
                        std::future::pending::<()>().await;
                    }
                    let mut byte = [0; 1];
                    if !matches!(stream.get_ref().peek(&mut byte).await, Ok(1)) {
                        return;
                    }
                    std::future::pending().await
                };
                tokio::select! {
                    () = wait => {}
                    () = watched => {
                        state.left.lock().push(name.to_owned());
                        return false;
                    }
                }
            }
        }
    }
    true
}

async fn read_head(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

async fn read_body(
    stream: &mut BufReader<TcpStream>,
    received: &mut Received,
    state: &State,
) -> Option<()> {
    if let Some(length) = header(&received.head, "content-length") {
        let mut left: usize = length.parse().unwrap();
        while left > 0 {
            let mut piece = vec![0; left.min(64 * 1024)];
            let n = stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
            state.body_bytes.fetch_add(n, Ordering::SeqCst);
            // Large ones are only counted.
            if received.body.len() < 1 << 20 {
                received.body.extend_from_slice(&piece[..n]);
            }
            left -= n;
        }
    } else if header(&received.head, "transfer-encoding").is_some() {
        loop {
            let from = received.body.len();
            stream.read_until(b'\n', &mut received.body).await.ok().filter(|n| *n > 0)?;
            let line = String::from_utf8_lossy(&received.body[from..]).into_owned();
            let digits = line.split([';', '\r', ' ']).next().unwrap();
            let size = usize::from_str_radix(digits, 16).unwrap();
            if size == 0 {
                break;
            }
            let from = received.body.len();
            received.body.resize(from + size + 2, 0);
            stream.read_exact(&mut received.body[from..]).await.ok()?;
        }
        loop {
            let from = received.body.len();
            stream.read_until(b'\n', &mut received.body).await.ok().filter(|n| *n > 0)?;
            if &received.body[from..] == b"\r\n" {
                break;
            }
        }
    }
    Some(())
}
