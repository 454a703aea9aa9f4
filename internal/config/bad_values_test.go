package config

import "testing"

func TestLoad_RefusesWrongValues(t *testing.T) {
	for _, b := range []bad{
		{"iam_role", `
credentials:
  iam_role: arn:aws:iam::123456789012:instance-profile/r`, `
f.yaml:2: credentials.iam_role: "arn:aws:iam::123456789012:instance-profile/r" is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME`},
		{"iam_role too long a name", `
credentials:
  iam_role: arn:aws:iam::123456789012:role/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`, `
f.yaml:2: credentials.iam_role: "arn:aws:iam::123456789012:role/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"... is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME`},
		{"session_name", `
credentials: {session_name: a b}`, `
f.yaml:1: credentials.session_name: "a b" is not a session name; it has 2 to 64 of letters, digits and _+=,.@-`},
		{"source_identity", `
credentials: {source_identity: x}`, `
f.yaml:1: credentials.source_identity: "x" is not a source identity; it has 2 to 64 of letters, digits and _+=,.@-`},
		{"duration too short", `
credentials: {duration: 5m}`, `
f.yaml:1: credentials.duration: 5m is not from 15m to 12h`},
		{"duration too long", `
credentials: {duration: 13h}`, `
f.yaml:1: credentials.duration: 13h is not from 15m to 12h`},
		{"duration in fractions", `
credentials: {duration: 1000.5s}`, `
f.yaml:1: credentials.duration: 16m40.5s is not whole seconds`},
		{"cache of another kind", `
credentials: {cache: file}`, `
f.yaml:1: credentials.cache: "file" is not one of memory, disk`},
		{"refresh_before too short", `
credentials: {refresh_before: 30s}`, `
f.yaml:1: credentials.refresh_before: 30s is less than 1m`},
		{"refresh_before not less", `
credentials: {duration: 30m, refresh_before: 30m}`, `
f.yaml:1: credentials.refresh_before: 30m is not less than credentials.duration, 30m`},
		{"external_id is not shown", `
credentials: {external_id: my secret}`, `
f.yaml:1: credentials.external_id: not an external id; it has 2 to 1224 of letters, digits and _+=,.@:/-`},
		{"session_tags key", `
credentials: {session_tags: {"a*b": c}}`, `
f.yaml:1: credentials.session_tags.a*b: "a*b" is not a tag key; it has letters, digits, spaces and _.:/=+-@`},
		{"session_tags value", `
credentials: {session_tags: {a: "b!"}}`, `
f.yaml:1: credentials.session_tags.a: "b!" is not a tag value; it has letters, digits, spaces and _.:/=+-@`},
		{"transitive_tag_keys", `
credentials:
  session_tags: {a: b}
  transitive_tag_keys:
    - a
    - c`, `
f.yaml:5: credentials.transitive_tag_keys: "c" is not a key of credentials.session_tags`},
		{"policy", `
credentials: {policy: "{Version: 2012-10-17}"}`, `
f.yaml:1: credentials.policy: not valid JSON`},
		{"policy_arns", `
credentials:
  policy_arns: ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:s3:::bucket"]`, `
f.yaml:2: credentials.policy_arns: "arn:aws:s3:::bucket" is not the ARN of a policy; write arn:aws:iam::aws:policy/NAME`},
		{"mfa_serial", `
credentials: {mfa_serial: "12 34"}`, `
f.yaml:1: credentials.mfa_serial: "12 34" is not a serial number or ARN; it has 9 to 256 of letters, digits and _+=/:,.@-`},
		{"profile that cannot go by its name", `
credentials: {source_profile: my/profile}`, `
f.yaml:1: credentials.source_profile: "my/profile" is not a name that credentials can go by, which has 1 to 64 of letters, digits and _+=,.@-; rename the profile, or set credentials.iam_role`},
		{"account_id", `
aws: {account_id: 1234-5678-9012}`, `
f.yaml:1: aws.account_id: "1234-5678-9012" is not an account id; it has digits only`},
		{"region", `
aws: {region: us-east-1a}`, `
f.yaml:1: aws.region: "us-east-1a" is not a region; write e.g. us-east-1`},
		{"availability_zone", `
aws: {availability_zone: us-east-1}`, `
f.yaml:1: aws.availability_zone: "us-east-1" is not an availability zone; write e.g. us-east-1a`},
		{"zone outside the region", `
aws:
  region: us-east-1
  availability_zone: us-east-2a`, `
f.yaml:3: aws.availability_zone: us-east-2a is not in aws.region us-east-1`},
		{"local zone outside the region", `
aws: {region: us-east-1, availability_zone: us-west-2-lax-1a}`, `
f.yaml:1: aws.availability_zone: us-west-2-lax-1a is not in aws.region us-east-1`},
		{"availability_zone_id", `
aws: {availability_zone_id: zone 1}`, `
f.yaml:1: aws.availability_zone_id: "zone 1" is not the id of an availability zone; write e.g. use1-az1`},
		{"partition", `
aws: {partition: azure}`, `
f.yaml:1: aws.partition: "azure" is not a partition; write e.g. aws or aws-cn`},
		{"domain", `
aws: {domain: amazonaws..com}`, `
f.yaml:1: aws.domain: "amazonaws..com" is not a host name; it has letters, digits and hyphens between dots`},
		{"local_ipv4", `
ec2: {local_ipv4: 10.0.0.256}`, `
f.yaml:1: ec2.local_ipv4: "10.0.0.256" is not an IPv4 address`},
		{"local_ipv4 is IPv6", `
ec2: {local_ipv4: "::1"}`, `
f.yaml:1: ec2.local_ipv4: "::1" is not an IPv4 address`},
		{"instance_id", `
ec2: {instance_id: i-0123/456}`, `
f.yaml:1: ec2.instance_id: "i-0123/456" is not usable as an instance id; it has 2 to 64 of letters, digits and _+=,.@-`},
		{"image_id", `
ec2: {image_id: "ami 1"}`, `
f.yaml:1: ec2.image_id: "ami 1" holds a space or a control character`},
		{"instance_type", `
ec2: {instance_type: "t3.nano\n"}`, `
f.yaml:1: ec2.instance_type: "t3.nano\n" holds a space or a control character`},
		{"architecture", `
ec2: {architecture: x86 64}`, `
f.yaml:1: ec2.architecture: "x86 64" holds a space or a control character`},
		{"hostname", `
ec2: {hostname: my host}`, `
f.yaml:1: ec2.hostname: "my host" holds a space or a control character`},
		{"pending_time", `
ec2: {pending_time: 2025-01-31T12:00:00+01:00}`, `
f.yaml:1: ec2.pending_time: "2025-01-31T12:00:00+01:00" is not a time in UTC; write e.g. 2025-01-31T12:00:00Z`},
		{"http_tokens", `
ec2: {metadata_options: {http_tokens: never}}`, `
f.yaml:1: ec2.metadata_options.http_tokens: "never" is not one of optional, required`},
		{"http_endpoint", `
ec2: {metadata_options: {http_endpoint: "off"}}`, `
f.yaml:1: ec2.metadata_options.http_endpoint: "off" is not one of enabled, disabled`},
		{"instance_metadata_tags", `
ec2: {metadata_options: {instance_metadata_tags: "on"}}`, `
f.yaml:1: ec2.metadata_options.instance_metadata_tags: "on" is not one of enabled, disabled`},
		{"hop limit", `
ec2: {metadata_options: {http_put_response_hop_limit: 65}}`, `
f.yaml:1: ec2.metadata_options.http_put_response_hop_limit: 65 is not from 1 to 64`},
		{"addresses of the instance", `
ec2:
  public_ipv4: none
  ipv6: 10.0.0.1
  mac: 0A:1B:2C:3D:4E:5F`, `
f.yaml:2: ec2.public_ipv4: "none" is not an IPv4 address
f.yaml:3: ec2.ipv6: "10.0.0.1" is not an IPv6 address
f.yaml:4: ec2.mac: "0A:1B:2C:3D:4E:5F" is not a MAC address in lower case; write e.g. 0a:1b:2c:3d:4e:5f`},
		{"networks", `
ec2:
  vpc_ipv4_cidr_blocks: [10.0.0.0/8, 10.1.0.0]
  vpc_ipv6_cidr_blocks: [10.0.0.0/8]
  subnet_ipv4_cidr_block: 10.0.0.10/24`, `
f.yaml:2: ec2.vpc_ipv4_cidr_blocks: "10.1.0.0" is not a CIDR block; write 10.1.0.0/32
f.yaml:3: ec2.vpc_ipv6_cidr_blocks: "10.0.0.0/8" is not an IPv6 CIDR block
f.yaml:4: ec2.subnet_ipv4_cidr_block: "10.0.0.10/24" has bits set behind the prefix; write 10.0.0.0/24`},
		{"network interface", `
ec2:
  network_interfaces:
    - device_number: 1
    - device_number: -1
      mac: x
      ipv6s: ["fd00::1", y]
      speed: 1`, `
f.yaml:4: ec2.network_interfaces[1].device_number: -1 is not from 0 to 255
f.yaml:5: ec2.network_interfaces[1].mac: "x" is not a MAC address in lower case; write e.g. 0a:1b:2c:3d:4e:5f
f.yaml:6: ec2.network_interfaces[1].ipv6s: "y" is not an IPv6 address
f.yaml:7: ec2.network_interfaces[1].speed: unknown key; allowed in ec2.network_interfaces[1]: device_number, network_card, mac, interface_id, local_ipv4s, public_ipv4s, public_hostname, ipv6s, ipv4_prefixes, ipv6_prefixes, vpc_id, subnet_id, vpc_ipv4_cidr_blocks, vpc_ipv6_cidr_blocks, subnet_ipv4_cidr_block, subnet_ipv6_cidr_blocks, security_groups, security_group_ids`},
		{"addresses and networks of the instance", `
ec2: {local_ipv4: 10.0.1.5, ipv6: x, subnet_ipv4_cidr_block: 10.0.0.0, vpc_ipv4_cidr_blocks: [a], subnet_ipv6_cidr_blocks: ["2001:db8::/64"]}`, `
f.yaml:1: ec2.ipv6: "x" is not an IPv6 address
f.yaml:1: ec2.vpc_ipv4_cidr_blocks: "a" is not an IPv4 CIDR block
f.yaml:1: ec2.subnet_ipv4_cidr_block: "10.0.0.0" is not a CIDR block; write 10.0.0.0/32`},
		{"multicast MAC", `
ec2: {mac: "01:00:5e:00:00:01"}`, `
f.yaml:1: ec2.mac: "01:00:5e:00:00:01" is a multicast address; its first byte has to be even`},
		{"network card", `
ec2: {network_interfaces: [{network_card: 256}]}`, `
f.yaml:1: ec2.network_interfaces[0].network_card: 256 is not from 0 to 255`},
		{"multicast MAC of an interface", `
ec2: {network_interfaces: [{mac: "ff:ff:ff:ff:ff:ff"}]}`, `
f.yaml:1: ec2.network_interfaces[0].mac: "ff:ff:ff:ff:ff:ff" is a multicast address; its first byte has to be even`},
		{"numbers below zero", `
ec2:
  ami_launch_index: -1
  placement: {partition_number: -2}`, `
f.yaml:2: ec2.ami_launch_index: -1 is less than 0
f.yaml:3: ec2.placement.partition_number: -2 is less than 0`},
		{"enumerations of the instance", `
ec2:
  life_cycle: rented
  monitoring: true`, `
f.yaml:2: ec2.life_cycle: "rented" is not one of on-demand, spot, scheduled, capacity-block, interruptible-capacity-reservation
f.yaml:3: ec2.monitoring: "true" is not one of disabled, enabled`},
		{"block_devices", `
ec2: {block_devices: {disk: /dev/sda}}`, `
f.yaml:1: ec2.block_devices.disk: "disk" is not a block device; the names are ami, root, swap, ebsN and ephemeralN`},
		{"tags", `
ec2: {tags: {"a b": c}}`, `
f.yaml:1: ec2.tags.a b: not a tag key that instance metadata can hold; it has letters, digits and +=.,_:@-, or set ec2.metadata_options.instance_metadata_tags to disabled`},
		{"user data twice", `
ec2:
  user_data: my secret
  user_data_base64: bXk=`, `
f.yaml:3: ec2.user_data_base64: ec2.user_data is set too; keep one of them`},
		{"user data is not shown", `
ec2: {user_data_base64: my secret!}`, `
f.yaml:1: ec2.user_data_base64: not valid base64`},
		{"listen", `
server:
  listen:
    - 127.0.0.1:80
    - "5000"
    - 127.0.0.1:http
    - a_b:80
    - 127.0.0.1:80
    - 127.0.0.1:65536`, `
f.yaml:4: server.listen: "5000" is not host:port; write e.g. 0.0.0.0:5000
f.yaml:5: server.listen: "127.0.0.1:http" has no port from 0 to 65535
f.yaml:6: server.listen: "a_b:80" has neither an address nor a host name before the port
f.yaml:7: server.listen: "127.0.0.1:80" is there twice
f.yaml:8: server.listen: "127.0.0.1:65536" has no port from 0 to 65535`},
		{"listen nowhere", `
server: {listen: []}`, `
f.yaml:1: server.listen: no address; write e.g. ["0.0.0.0:5000"]`},
		{"allow_clients", `
server:
  allow_clients: [auto, 10.0.0.1, 10.0.0.1/8, office, "fd00::/8"]`, `
f.yaml:2: server.allow_clients: "10.0.0.1" is not a CIDR block; write 10.0.0.1/32
f.yaml:2: server.allow_clients: "10.0.0.1/8" has bits set behind the prefix; write 10.0.0.0/8
f.yaml:2: server.allow_clients: "office" is neither auto nor a CIDR block
f.yaml:2: server.allow_clients: auto stands alone; remove it or the CIDR blocks`},
		{"allow_origins", `
server: {allow_origins: ["http://ok:3000", "http://a/", "a.b", "ftp://a"]}`, `
f.yaml:1: server.allow_origins: "http://a/" is not the origin of a web page; write e.g. http://localhost:3000
f.yaml:1: server.allow_origins: "a.b" is not the origin of a web page; write e.g. http://localhost:3000
f.yaml:1: server.allow_origins: "ftp://a" is not the origin of a web page; write e.g. http://localhost:3000`},
		{"limits", `
server: {limits: {connections: 0, connections_per_client: 100001, url_bytes: 255, header_bytes: 1023, body_bytes: -1}}`, `
f.yaml:1: server.limits.connections: 0 is not from 1 to 100000
f.yaml:1: server.limits.connections_per_client: 100001 is not from 1 to 100000
f.yaml:1: server.limits.url_bytes: 255 is not from 256 to 16384
f.yaml:1: server.limits.header_bytes: 1023 is not from 1024 to 32768
f.yaml:1: server.limits.body_bytes: -1 is not from 0 to 1048576`},
		{"allow_hosts", `
server: {allow_hosts: ["http://metadata"]}`, `
f.yaml:1: server.allow_hosts: "http://metadata" is not a host name; it has letters, digits and hyphens between dots`},
		{"user", `
server: {user: "a b"}`, `
f.yaml:1: server.user: "a b" is not a user's name or number`},
		{"control", `
server: {control: run/control.sock}`, `
f.yaml:1: server.control: "run/control.sock" is not auto, off or an absolute path; write e.g. /run/mock-ec2-metadata/control.sock`},
		{"identity: two keys", `
identity: {key_file: key.pem, cert_file: cert.pem, state_dir: /var/lib}`, `
f.yaml:1: identity.state_dir: identity.key_file is set too; keep one of them`},
		{"identity: a key alone", `
identity: {key_file: key.pem}`, `
f.yaml:1: identity.key_file: needs identity.cert_file too, the certificate for this key`},
		{"identity: a certificate alone", `
identity:
  cert_file: cert.pem
  state_dir: state`, `
f.yaml:2: identity.cert_file: needs identity.key_file too, the key of this certificate
f.yaml:3: identity.state_dir: identity.cert_file is set too; keep one of them`},
		{"log level", `
log: {level: trace}`, `
f.yaml:1: log.level: "trace" is not one of debug, info, warn, error`},
		{"log format", `
log: {format: xml}`, `
f.yaml:1: log.format: "xml" is not one of text, json`},
		{"all at once, by line", `
log: {level: trace}
aws: {region: x}
ec2:
  hostname: a b
  foo: bar
credentials: {duration: 1}`, `
f.yaml:1: log.level: "trace" is not one of debug, info, warn, error
f.yaml:2: aws.region: "x" is not a region; write e.g. us-east-1
f.yaml:4: ec2.hostname: "a b" holds a space or a control character
f.yaml:5: ec2.foo: unknown key; ` + ec2Keys + `
f.yaml:6: credentials.duration: "1" has no unit; write e.g. 1s, 15m or 1h`},
	} {
		b.check(t)
	}
}

func TestLoad_UserNeedsUnix(t *testing.T) {
	const content = "server: {user: imds}"
	_, err := load("f.yaml", []byte(content), Sources{}, "windows")
	expectError(t, err, "f.yaml:1: server.user: needs Unix, and this is windows; leave it out")
	for _, goos := range []string{"linux", "darwin"} {
		t.Run(goos, func(t *testing.T) {
			_, err := load("f.yaml", []byte(content), Sources{}, goos)
			must(t, err)
		})
	}
}
