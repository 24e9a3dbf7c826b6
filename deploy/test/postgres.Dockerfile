# The deployment test has no registry: this stands in for the official image
# of the same name, as far as compose.yaml uses it.
FROM debian:base
RUN apt-get install -y -qq --no-install-recommends --no-download postgresql >/dev/null 2>&1 && usermod -u 999 postgres && groupmod -o -g 999 postgres \
 && mkdir -p /var/lib/postgresql/data && chown -R postgres:postgres /var/lib/postgresql && chmod 700 /var/lib/postgresql/data
COPY postgres-entry.sh /postgres-entry.sh
ENV PATH=/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin PGDATA=/var/lib/postgresql/data
USER postgres
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["/postgres-entry.sh"]
