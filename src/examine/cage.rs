//! The cage that a process enters before it reads a stranger's bytes.
//!
//! Everywhere: memory, processor time, output and open files are limited by the kernel (`setrlimit`), and a seccomp filter refuses every new
//! socket and every reach into other processes, for this process and for ffmpeg, which it may start. Where the kernel has them: a network,
//! process communication and host name of its own (namespaces), and no files but the programs' own libraries and the one that it was
//! given (Landlock). What could be had is told, and stands in the event.

use std::collections::BTreeMap;
use std::fs::File;

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, Scope, make_bitflags,
};
use nix::sched::{CloneFlags, unshare};
use rlimit::Resource;
use seccompiler::{SeccompAction, SeccompFilter};

use crate::error::{Error, Result};

/// Bytes that a process may write into a file: none is open to it but its output, which is a pipe.
const OUTPUT_BYTES_MAX: u64 = 64 << 20;

/// Enters. `stream`: its output may be long.
pub fn enter(memory: u64, cpu_s: u64, stream: bool) -> Result<Vec<&'static str>> {
    let mut confined = vec!["limits"];
    if namespaces() {
        confined.push("namespaces");
    }
    let output = if stream { u64::MAX } else { OUTPUT_BYTES_MAX };
    let limits = [(Resource::AS, memory), (Resource::CPU, cpu_s), (Resource::FSIZE, output), (Resource::NOFILE, 64), (Resource::CORE, 0)];
    for (resource, limit) in limits {
        // Where a lower limit stands already, that one stays.
        let (_, hard) = resource.get()?;
        resource.set(limit.min(hard), limit.min(hard))?;
    }
    if files() {
        confined.push("landlock");
    }
    no_sockets()?;
    confined.push("seccomp");
    Ok(confined)
}

fn namespaces() -> bool {
    let apart = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    unshare(CloneFlags::CLONE_NEWUSER | apart).is_ok() || unshare(apart).is_ok()
}

/// Only what programs and libraries need, to read and to run; and the file that is standard input, whatever its name was.
fn files() -> bool {
    const PROGRAMS: [&str; 6] = ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/nix/store"];
    const DEVICES: [&str; 3] = ["/dev/null", "/dev/urandom", "/dev/zero"];
    let rules = || -> std::result::Result<RulesetStatus, landlock::RulesetError> {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V5))?
            .scope(Scope::Signal)?
            .create()?;
        let run = make_bitflags!(AccessFs::{Execute | ReadFile | ReadDir});
        let read = make_bitflags!(AccessFs::{ReadFile | Execute});
        for path in PROGRAMS {
            if let Ok(fd) = PathFd::new(path) {
                let whole = std::fs::metadata(path).is_ok_and(|m| m.is_dir());
                ruleset = ruleset.add_rule(PathBeneath::new(fd, if whole { run } else { read }))?;
            }
        }
        for path in DEVICES {
            if let Ok(fd) = PathFd::new(path) {
                ruleset = ruleset.add_rule(PathBeneath::new(fd, make_bitflags!(AccessFs::{ReadFile | WriteFile})))?;
            }
        }
        if let Ok(given) = File::open("/dev/stdin") {
            ruleset = ruleset.add_rule(PathBeneath::new(given, AccessFs::ReadFile))?;
        }
        Ok(ruleset.restrict_self()?.ruleset)
    };
    matches!(rules(), Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced))
}

/// Refuses with EPERM what opens sockets or reaches into other processes: socket, socketpair, io_uring_setup, _enter
/// and _register (which could open them, too), ptrace, process_vm_readv and _writev; kill, rt_sigqueueinfo and rt_tgsigqueueinfo,
/// pidfd_open, _getfd and _send_signal; setsid and setpgid, by which it would leave the group that is ended with it. The rest stays
/// allowed.
fn no_sockets() -> Result<()> {
    #[cfg(target_arch = "x86_64")]
    const REFUSED: [i64; 16] = [41, 53, 425, 426, 427, 101, 310, 311, 62, 129, 297, 434, 438, 424, 112, 109];
    #[cfg(target_arch = "aarch64")]
    const REFUSED: [i64; 16] = [198, 199, 425, 426, 427, 117, 270, 271, 129, 138, 240, 434, 438, 424, 157, 154];
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> = REFUSED.into_iter().map(|c| (c, vec![])).collect();
    let arch = std::env::consts::ARCH.try_into().map_err(Error::internal)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(1), arch).map_err(Error::internal)?;
    let program: seccompiler::BpfProgram = filter.try_into().map_err(Error::internal)?;
    seccompiler::apply_filter(&program).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::PermissionDenied;
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use super::*;

    /// A cage is never left: this runs in a process of its own, started by the test below.
    #[test]
    #[ignore = "run by nothing_gets_out_of_the_cage, in a process of its own"]
    fn inside() {
        let confined = enter(512 << 20, 5, false).unwrap();
        let denied = |what: &str, done: std::io::Result<()>| {
            assert_eq!(done.map_err(|e| e.kind()), Err(PermissionDenied), "{what}");
        };
        denied("tcp", TcpStream::connect("127.0.0.1:9").map(drop));
        denied("udp", UdpSocket::bind("127.0.0.1:0").map(drop));
        denied("unix", UnixStream::pair().map(drop));
        denied("its parent", rustix::process::test_kill_process(rustix::process::getppid().unwrap()).map_err(Into::into));
        assert!(Vec::<u8>::new().try_reserve_exact(1 << 30).is_err(), "memory");
        if confined.contains(&"landlock") {
            denied("reading", File::open("/etc/passwd").map(drop));
            denied("listing", std::fs::read_dir("/tmp").map(drop));
            denied("writing", File::create(std::env::temp_dir().join("temoin-escaped")).map(drop));
            denied("programs elsewhere", Command::new(std::env::current_exe().unwrap()).status().map(drop));
        }
        say!("caged by {}", confined.join(", "));
    }

    #[test]
    fn nothing_gets_out_of_the_cage() {
        let own = std::env::current_exe().unwrap();
        let inside = ["--ignored", "--exact", "examine::cage::tests::inside", "--nocapture"];
        let run = Command::new(own).args(inside).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&run.stderr));
        assert!(said.contains("caged by limits") && said.contains("seccomp"), "{said}");
    }
}
