//! A line between the server and what it depends on, that a test can cut, stall or lead elsewhere.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Pass,
    /// New connections are closed at once.
    Refuse,
    /// Nothing passes, and nobody is told.
    Stall,
}

pub struct Line {
    pub port: u16,
    target: Arc<Mutex<SocketAddr>>,
    mode: watch::Sender<Mode>,
    /// Counted up to cut what is connected.
    cuts: watch::Sender<u64>,
}

impl Line {
    pub async fn to(port: u16) -> Self {
        Self::at("127.0.0.1", port).await
    }

    /// The same, to be reached at another of this machine's addresses.
    pub async fn at(address: &str, port: u16) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let line = Self {
            port: listener.local_addr().unwrap().port(),
            target: Arc::new(Mutex::new(SocketAddr::from(([127, 0, 0, 1], port)))),
            mode: watch::Sender::new(Mode::Pass),
            cuts: watch::Sender::new(0),
        };
        let (target, mode, cuts) = (line.target.clone(), line.mode.clone(), line.cuts.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *mode.borrow() == Mode::Refuse {
                    continue;
                }
                let (at, mode, mut cut) = (*target.lock().unwrap(), mode.subscribe(), cuts.subscribe());
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(at).await else { return };
                    let (near_in, near_out) = near.into_split();
                    let (far_in, far_out) = far.into_split();
                    cut.mark_unchanged();
                    tokio::select! {
                        () = carry(near_in, far_out, mode.clone()) => {}
                        () = carry(far_in, near_out, mode) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        line
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub fn cut(&self) {
        self.cuts.send_modify(|n| *n += 1);
    }

    pub fn lead_to(&self, port: u16) {
        *self.target.lock().unwrap() = SocketAddr::from(([127, 0, 0, 1], port));
        self.cut();
    }
}

async fn carry(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(n) = from.read(&mut buffer).await else { return };
        if n == 0 {
            return;
        }
        if mode.wait_for(|mode| *mode != Mode::Stall).await.is_err() || to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}
