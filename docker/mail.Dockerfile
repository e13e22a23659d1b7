# SPDX-License-Identifier: GPL-3.0-or-later
# The neighbours of milterguard in compose.yaml, each from Debian's own packages. Targets: postfix, clamd, spamd.

FROM debian:bookworm-slim AS debian
ENV DEBIAN_FRONTEND=noninteractive
# Packages do not start services while the image is built.
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d

FROM debian AS postfix
RUN echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections \
    && apt-get -qq update \
    && apt-get -qq install -y --no-install-recommends postfix \
    && rm -rf /var/lib/apt/lists/*
COPY etc/postfix/main.cf.snippet docker/postfix/main.cf /tmp/postfix/
# No chroot: the container is one, and its name service works.
RUN cat /tmp/postfix/main.cf.snippet /tmp/postfix/main.cf > /etc/postfix/main.cf \
    && cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf \
    && postconf -F '*/*/chroot = n' \
    && postconf -e 'smtpd_milters = inet:milterguard:8899' \
    && touch /etc/aliases && newaliases \
    && rm -r /tmp/postfix
COPY docker/postfix/start /usr/local/bin/start-postfix
EXPOSE 25
VOLUME /var/spool/postfix
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s CMD ["postfix", "status"]
CMD ["start-postfix"]

FROM debian AS clamd
RUN apt-get -qq update \
    && apt-get -qq install -y --no-install-recommends clamav-daemon clamav-freshclam clamdscan ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY etc/clamav/clamd.conf.snippet docker/clamd/clamd.conf /tmp/clamav/
RUN cat /tmp/clamav/clamd.conf.snippet /tmp/clamav/clamd.conf > /etc/clamav/clamd.conf && rm -r /tmp/clamav
COPY docker/clamd/start /usr/local/bin/start-clamd
USER clamav
EXPOSE 3310
VOLUME /var/lib/clamav
# The first start loads the signatures from the Internet: give it minutes.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10m CMD ["clamdscan", "--ping", "1"]
CMD ["start-clamd"]

FROM debian AS spamd
RUN apt-get -qq update \
    && apt-get -qq install -y --no-install-recommends spamassassin spamd \
    && rm -rf /var/lib/apt/lists/*
COPY etc/spamassassin/milterguard.cf /etc/spamassassin/milterguard.cf
EXPOSE 783
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["spamc", "-K"]
# spamd opens its port as root and works as debian-spamd. Reachable from compose.yaml's inner network only.
CMD ["sh", "-c", "exec spamd --listen=0.0.0.0:783 --allowed-ips=0.0.0.0/0 --username=debian-spamd --nouser-config --syslog=stderr --max-children=$(nproc) --min-children=$(nproc) --min-spare=$(nproc) --max-spare=$(nproc)"]
