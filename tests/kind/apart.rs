//! Part of the machine for each share of the trials: a network and a mount namespace of its own, so that
//! every share has a network `kind`, a loopback and folders below `/run` and `/etc` that no other sees,
//! and all of it is gone with its last process, whatever became of that.
//!
//! It refuses the network outside: what must be fetched is fetched before.

use std::io::{self, BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

/// The variable that tells a process which share of the trials is its own.
const SHARE: &str = "WHARF_TESTS_SHARE";

/// Runs inside the namespaces before the program does. The folders of the machine that a setup writes to
/// are copies; the resolver asks [`answer_names`], at an address that is not on the loopback: Podman
/// would put a public one in its place.
const SCRIPT: &str = r#"
set -e
ip link set lo up
ip address add 192.0.2.53/32 dev lo
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
for folder in /etc/containers /etc/systemd/system; do
    mkdir -p "$folder" "/run/apart$folder"
    cp -a "$folder/." "/run/apart$folder"
    mount --bind "/run/apart$folder" "$folder"
done
echo nameserver 192.0.2.53 >/run/apart/resolv.conf
names=$(readlink -m /etc/resolv.conf)
[ -e "$names" ] || { mkdir -p "${names%/*}" && : >"$names"; }
mount --bind /run/apart/resolv.conf "$names"
exec "$0" "$@"
"#;

/// The number of the share that this process is to run; none in the process that started it all.
pub(crate) fn share() -> Option<usize> {
    std::env::var(SHARE).ok()?.parse().ok()
}

/// Runs this program once for each share, all at the same time and with the same arguments, and passes
/// on what they say, line by line. True if all went well.
pub(crate) fn run(shares: usize) -> bool {
    let program = std::env::current_exe().unwrap();
    let shares: Vec<_> = (0..shares)
        .map(|share| {
            let mut command = Command::new("unshare");
            command
                .args(["--net", "--mount", "--kill-child", "sh", "-c", SCRIPT])
                .arg(&program)
                .args(std::env::args_os().skip(1))
                .env(SHARE, share.to_string());
            thread::spawn(move || pass_on(share, &mut command))
        })
        .collect();
    let ended: Vec<_> = shares.into_iter().map(|share| share.join().unwrap()).collect();
    ended.iter().all(ExitStatus::success)
}

/// Runs a command to its end, and prints its lines with the number of the share.
fn pass_on(share: usize, command: &mut Command) -> ExitStatus {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = |source: Box<dyn io::Read + Send>| {
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n') {
                let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
                // Whoever reads may have gone; the trials go on.
                let _ = writeln!(io::stdout().lock(), "{share}: {line}");
            }
        })
    };
    let pipes = [
        lines(Box::new(child.stdout.take().unwrap())),
        lines(Box::new(child.stderr.take().unwrap())),
    ];
    let status = child.wait().unwrap();
    for pipe in pipes {
        pipe.join().unwrap();
    }
    status
}

/// Answers whoever asks for a name that there is none, as a resolver does that knows all of them:
/// containers ask for names that nobody has any more.
pub(crate) fn answer_names() {
    const HEADER_BYTES: usize = 12;
    let socket = UdpSocket::bind("192.0.2.53:53").expect("an address of its own");
    thread::spawn(move || {
        let mut message = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut message) {
            // RFC 1035, 4.1: the header, then the question, a name of labels with its type and class.
            let mut end = HEADER_BYTES;
            while end < length && message[end] != 0 {
                end += 1 + usize::from(message[end]);
            }
            let end = end + 5;
            if end > length {
                continue;
            }
            let mut answer = message[..end].to_vec();
            answer[2] = 0x80 | (message[2] & 0x01); // a response; recursion as it was asked for
            answer[3] = 0x83; // recursion there is; RCODE 3, the name does not exist
            answer[4..HEADER_BYTES].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
            let _ = socket.send_to(&answer, from); // who does not wait is not told
        }
    });
}
