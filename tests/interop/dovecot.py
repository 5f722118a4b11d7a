"""Dovecot 2.3 on loopback: IMAP and POP3 over TLS and SASL for Postfix, by XOAUTH2 alone; LMTP into the mail store."""

import grp
import os
import pwd

from ground import Daemon, free_port

# Debian's owner of mail; Dovecot stores no mail as root.
OWNER = "mail"

OAUTH2 = """\
introspection_mode = get
introspection_url = {introspection}
username_attribute = email
active_attribute = active
active_value = true
"""

MAIN = """\
protocols = imap pop3 lmtp
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
log_timestamp = "%H:%M:%S "
auth_verbose = yes
ssl = required
ssl_cert = <{chain}
ssl_key = <{key}
first_valid_uid = {uid}
first_valid_gid = {gid}
mail_location = maildir:~/Maildir
auth_mechanisms = xoauth2 oauthbearer
auth_username_format = %Lu

passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = 0
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service auth {{
  unix_listener {folder}/auth-postfix {{
    user = postfix
    mode = 0600
  }}
}}
service lmtp {{
  unix_listener {folder}/lmtp {{
    user = postfix
    mode = 0600
  }}
}}
service anvil {{
  # All clients come from one address: a refused token shall not slow down the next case.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    auto = create
  }}
}}
"""


class Dovecot(Daemon):
    def __init__(self, folder, certificates, introspection):
        folder = folder / "dovecot"
        owner = pwd.getpwnam(OWNER)
        (folder / "mail").mkdir(parents=True)
        os.chown(folder / "mail", owner.pw_uid, grp.getgrnam(OWNER).gr_gid)
        self.imaps, self.pop3s = free_port(), free_port()
        self.sasl, self.lmtp = folder / "auth-postfix", folder / "lmtp"
        main = folder / "dovecot.conf"
        main.write_text(MAIN.format(folder=folder, chain=certificates.chain, key=certificates.key, imaps=self.imaps, pop3s=self.pop3s,
                                    uid=owner.pw_uid, gid=owner.pw_gid))
        (folder / "oauth2.conf").write_text(OAUTH2.format(introspection=introspection))
        super().__init__("dovecot", folder.parent, ["/usr/sbin/dovecot", "-F", "-c", main],
                         [(port, certificates.client()) for port in (self.imaps, self.pop3s)])
