//! The account servers run under. PostgreSQL refuses to run as root, so root lends it another account.

use std::fs;

use crate::error::{Result, StageError};

/// An account without special rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

/// In the order of preference: PostgreSQL's own account, then the one that owns nothing.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// The account to lend when this process is root; `None` when it is not and needs none.
pub fn unprivileged() -> Result<Option<Account>> {
    if !rustix::process::getuid().is_root() {
        return Ok(None);
    }
    let passwd =
        fs::read_to_string("/etc/passwd").map_err(StageError::io("reading /etc/passwd"))?;
    let found = CANDIDATES.iter().find_map(|name| lookup(&passwd, name));
    found.map(Some).ok_or_else(|| StageError::Missing {
        program: "an account without rights (postgres or nobody)".into(),
        looked: "/etc/passwd".into(),
        remedy: "run this as a normal user instead of root",
    })
}

fn lookup(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let (_password, uid, gid) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Account {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nnobody2:x:7:7::/:/bin/sh\nnobody:x:65534:65533:nobody:/:/sbin/nologin\n";
        assert_eq!(
            lookup(passwd, "nobody"),
            Some(Account {
                uid: 65534,
                gid: 65533
            })
        );
        assert_eq!(lookup(passwd, "postgres"), None);
    }
}
