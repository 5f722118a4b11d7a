"""Postfix on loopback: submission with STARTTLS, XOAUTH2 through Dovecot, delivery into Dovecot's mail store."""

import os
import pwd
import subprocess

from ground import Daemon, free_port

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = /dev/stdout
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.contoso.example
mydestination =
mynetworks =
local_recipient_maps =
alias_maps =
alias_database =
biff = no

virtual_mailbox_domains = contoso.example
virtual_transport = lmtp:unix:{lmtp}

smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = {key}, {chain}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {sasl}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject

# Bytes arrive as they were sent: only trace headers go on top.
local_header_rewrite_clients =
message_size_limit = 20480000
"""

# service type private unpriv chroot wakeup maxproc command
MASTER = """\
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Daemon):
    def __init__(self, folder, certificates, dovecot):
        folder = folder / "postfix"
        for name in ("etc", "queue", "data"):
            (folder / name).mkdir(parents=True)
        os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
        self.port = free_port()
        (folder / "etc/main.cf").write_text(MAIN.format(folder=folder, lmtp=dovecot.lmtp, sasl=dovecot.sasl,
                                                    key=certificates.key, chain=certificates.chain))
        (folder / "etc/master.cf").write_text(MASTER.format(port=f"127.0.0.1:{self.port}"))
        self.control = ["/usr/sbin/postfix", "-c", folder / "etc"]
        super().__init__("postfix", folder.parent, [*self.control, "start-fg"], [(self.port, None)])

    def __exit__(self, *_):
        # The process in the foreground is a shell; its master would outlive it.
        subprocess.run([*self.control, "stop"], stdin=subprocess.DEVNULL, capture_output=True)
        super().__exit__()
