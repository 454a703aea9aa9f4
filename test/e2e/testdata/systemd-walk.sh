#!/bin/bash
# Installs the units of deploy/systemd as their comments say, and prints what a user sees.
cd /run/files || exit
say() { printf -- '-- %s\n' "$*"; }
see() { systemctl show --property=ActiveState,SubState --value "$1" | paste -sd ' '; }
status() { systemctl show --property=StatusText --value mock-ec2-metadata; }
get() { curl -qsS --max-time 10 "http://169.254.169.254/$1"; echo; }
document=latest/meta-data/iam/security-credentials/myrole

mkdir /root/.aws
./stsfake -listen 127.0.0.1:4999 -role arn:aws:iam::123456789012:role/myrole -profile-file /root/.aws/credentials >sts &
until [ -s sts ]; do sleep 0.1; done

say verify
systemd-analyze verify /etc/systemd/system/mock-ec2-metadata{,-address}.service /etc/systemd/system/mock-ec2-metadata.socket 2>&1
systemd-analyze --version | head -1
systemd-analyze security --no-pager mock-ec2-metadata.service | sed -n 's/.*Overall exposure level for //p'
systemd-analyze security --no-pager mock-ec2-metadata-address.service | sed -n 's/.*Overall exposure level for //p'

say address
see mock-ec2-metadata-address.service
see mock-ec2-metadata.socket
see mock-ec2-metadata.service
ip -brief address show mock-imds | awk '{ print $3 }'

say first request
get latest/meta-data/instance-id
see mock-ec2-metadata.service
for _ in $(seq 50); do case $(status) in *until*) break ;; esac; sleep 0.1; done
status
get $document | grep Code
mock-ec2-metadata healthcheck --listen 169.254.169.254:80

say rights
pid=$(systemctl show --property=MainPID --value mock-ec2-metadata)
awk '/^Cap|^NoNewPrivs|^Seccomp:/ { print $1, $2 }' /proc/"$pid"/status
stat -c '%n %a' /var/lib/private/mock-ec2-metadata /run/mock-ec2-metadata
get latest/dynamic/instance-identity/signature | wc -l
ls /var/lib/private/mock-ec2-metadata

say control
stat -c '%n %a' /run/mock-ec2-metadata/*
mock-ec2-metadata status | grep socket
mock-ec2-metadata mfa 123456
mock-ec2-metadata reload
setpriv --reuid 65534 --clear-groups mock-ec2-metadata status

say reload
sed -i 's/one/two/' /etc/mock-ec2-metadata/config.yaml
systemctl reload mock-ec2-metadata
for _ in $(seq 50); do [ "$(get latest/meta-data/hostname)" = two ] && break; sleep 0.1; done
get latest/meta-data/hostname
# The daemon serves the new file a moment before the manager knows.
for _ in $(seq 50); do [ "$(systemctl show -P SubState mock-ec2-metadata)" = running ] && break; sleep 0.1; done
see mock-ec2-metadata.service

say containers
units=/etc/systemd/system/mock-ec2-metadata
sed -i 's/^#\(ListenStream=169\.254\.170\.2:\)/\1/' $units.socket
sed -i 's/^#\(Environment=\)/\1/' $units-address.service
echo 'ecs: {enabled: true}' >>/etc/mock-ec2-metadata/config.yaml
systemctl daemon-reload
systemctl stop mock-ec2-metadata.socket mock-ec2-metadata.service
systemctl start mock-ec2-metadata.socket mock-ec2-metadata.service
ip -brief address show mock-imds | awk '{ print $3, $4, $5 }'
curl -qsS --max-time 10 http://169.254.170.2/v2/credentials/; echo
curl -qsS --max-time 10 http://169.254.170.2/latest/
see mock-ec2-metadata.service

say as a user
useradd --create-home you
mkdir -p /home/you/.aws/sso/cache
mv /root/.aws/credentials /home/you/.aws/keys
cat >/home/you/.aws/credential-process <<'EOT'
touch ~/.aws/sso/cache/written; touch ~/.aws/written; ls -A ~
sed -n 's/aws_access_key_id = \(.*\)/{"Version": 1, "AccessKeyId": "\1",/p; s/aws_secret_access_key = \(.*\)/"SecretAccessKey": "\1"}/p' ~/.aws/keys >~/.aws/sso/cache/answer
EOT
cat >/home/you/.aws/config <<'EOT'
[default]
credential_process = sh -c "sh $HOME/.aws/credential-process >$HOME/.aws/sso/cache/home 2>&1; cat $HOME/.aws/sso/cache/answer"
EOT
chown -R you: /home/you/.aws
chmod -R go= /home/you/.aws
cp /run/files/as-user.conf /etc/systemd/system/mock-ec2-metadata.service.d/
systemctl daemon-reload
systemctl restart mock-ec2-metadata
for _ in $(seq 50); do case $(status) in *until* | *failed*) break ;; esac; sleep 0.1; done
status
get $document | grep Code
ps -o user= -p "$(systemctl show --property=MainPID --value mock-ec2-metadata)"
stat -c '%n %a %U' /run/mock-ec2-metadata{,/*}
mock-ec2-metadata status | grep socket
sed 's/^/  /' /home/you/.aws/sso/cache/home
ls /home/you/.aws/sso/cache

say stop
systemctl stop mock-ec2-metadata.socket mock-ec2-metadata.service
for _ in $(seq 50); do case $(see mock-ec2-metadata-address.service) in inactive*) break ;; esac; sleep 0.1; done
see mock-ec2-metadata-address.service
see mock-ec2-metadata.service
ip -brief link show mock-imds 2>&1
ls -d /run/mock-ec2-metadata 2>&1
journalctl --boot --no-pager --output cat --grep 'ordering cycle|Failed with result'
journalctl --boot --no-pager --output cat --unit mock-ec2-metadata.service >/run/files/journal
