package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestYAML_ShowsEveryKeyWithItsOriginAndLoadsAgain(t *testing.T) {
	l := mustLoad(t, `---
credentials:
  mock: true
  iam_role: arn:aws:iam::123456789012:role/r
  external_id: hunter2
  policy: |
    {"Version": "2012-10-17",
     "Statement": []}
  session_tags:
    team: red
    cost: "12"
aws:
  account_id: 012345678901
ec2:
  hostname: yes
  user_data: hunter2
  key_pairs: [{name: k, public_key: ssh-rsa AAAA me}]
  network_interfaces: [{local_ipv4s: [10.0.0.11, 10.0.0.12]}]
  tags: {Name: ""}
metadata: {meta-data/system: xen, meta-data/mac: ~, user-data: hunter2}
server:
  listen:
    - 127.0.0.1:80
    - "[::1]:80"
`, []string{"MOCK_EC2_METADATA__EC2__INSTANCE_TYPE=m5.large"}, []string{"credentials.session_tags.a b=c: d", "ec2.metadata_options.http_tokens=required"})
	want := `credentials:
  source_profile: "" # default
  iam_role: arn:aws:iam::123456789012:role/r # f.yaml:4
  session_name: "" # default
  duration: 1h # default
  refresh_before: 25m # default
  external_id: "[redacted]" # f.yaml:5
  source_identity: "" # default
  session_tags:
    "a b": "c: d" # --set
    cost: "12" # f.yaml:11
    team: red # f.yaml:10
  transitive_tag_keys: [] # default
  policy: "{\"Version\": \"2012-10-17\",\n \"Statement\": []}\n" # f.yaml:6
  policy_arns: [] # default
  cache: memory # default
  mfa_serial: "" # default
  mock: true # f.yaml:3
aws:
  account_id: "012345678901" # f.yaml:13
  region: us-east-1 # default
  availability_zone: us-east-1a # default
  availability_zone_id: "" # default
  partition: "" # default
  domain: "" # default
ec2:
  local_ipv4: 10.0.0.10 # default
  instance_id: i-0123456789abcdef0 # default
  image_id: ami-0abcdef1234567890 # default
  instance_type: m5.large # MOCK_EC2_METADATA__EC2__INSTANCE_TYPE
  architecture: x86_64 # default
  hostname: "yes" # f.yaml:15
  hostname_type: "" # default
  local_ipv4s: null # default
  public_ipv4: "" # default
  public_ipv4s: [] # default
  public_hostname: "" # default
  ipv6: "" # default
  ipv6s: [] # default
  ipv4_prefixes: [] # default
  ipv6_prefixes: [] # default
  mac: "" # default
  interface_id: "" # default
  vpc_id: "" # default
  subnet_id: "" # default
  vpc_ipv4_cidr_blocks: [] # default
  vpc_ipv6_cidr_blocks: [] # default
  subnet_ipv4_cidr_block: "" # default
  subnet_ipv6_cidr_blocks: [] # default
  security_groups: [] # default
  security_group_ids: [] # default
  network_interfaces:
    - device_number: 1 # default
      network_card: 0 # default
      mac: "" # default
      interface_id: "" # default
      local_ipv4s: [10.0.0.11, 10.0.0.12] # f.yaml:18
      public_ipv4s: [] # default
      public_hostname: "" # default
      ipv6s: [] # default
      ipv4_prefixes: [] # default
      ipv6_prefixes: [] # default
      vpc_id: "" # default
      subnet_id: "" # default
      vpc_ipv4_cidr_blocks: [] # default
      vpc_ipv6_cidr_blocks: [] # default
      subnet_ipv4_cidr_block: "" # default
      subnet_ipv6_cidr_blocks: [] # default
      security_groups: [] # default
      security_group_ids: [] # default
  reservation_id: "" # default
  ami_launch_index: 0 # default
  life_cycle: on-demand # default
  monitoring: disabled # default
  pending_time: "" # default
  placement:
    group_name: "" # default
    host_id: "" # default
    partition_number: 0 # default
  product_codes: [] # default
  key_pairs:
    - name: k # f.yaml:17
      public_key: "ssh-rsa AAAA me" # f.yaml:17
  block_devices: {} # default
  tags:
    Name: "" # f.yaml:19
  user_data: "[redacted]" # f.yaml:16
  user_data_file: "" # default
  user_data_base64: "" # default
  metadata_options:
    http_tokens: required # --set
    http_endpoint: enabled # default
    http_put_response_hop_limit: 64 # default
    instance_metadata_tags: enabled # default
metadata:
  meta-data/mac: null # f.yaml:20
  meta-data/system: xen # f.yaml:20
  user-data: "[redacted]" # f.yaml:20
roles: {} # default
clients: [] # default
containers:
  engine: "" # default
  role: [label:mock-ec2-metadata.role, env:IAM_ROLE] # default
  allow: [] # default
ecs:
  enabled: false # default
  listen: [169.254.170.2:80] # default
  authorization: "" # default
  authorization_file: "" # default
  by_path: false # default
  rate: "off" # default
  task:
    cluster: local # default
    family: task # default
    revision: "1" # default
    launch_type: EC2 # default
    arn: "" # default
    service_name: "" # default
    tags: {} # default
    instance_tags: {} # default
  containers: {} # default
pod_identity:
  enabled: false # default
  listen: [169.254.170.23:80, "[fd00:ec2::23]:80"] # default
  cluster_name: local # default
  cluster_arn: "" # default
  audience: pods.eks.amazonaws.com # default
  verify: tokenreview # default
  jwks: "" # default
  issuer: "" # default
  kubeconfig: "" # default
  session_tags: false # default
  associations: [] # default
kubernetes:
  enabled: false # default
  node: "" # default
  cluster_name: "" # default
  pods:
    find: [watch, proc] # default
    wait: 900ms # default
    metadata: node # default
  annotations:
    role: [mock-ec2-metadata/role, iam.amazonaws.com/role, eks.amazonaws.com/role-arn] # default
    external_id: [mock-ec2-metadata/external-id, iam.amazonaws.com/external-id] # default
    session_name: [mock-ec2-metadata/session-name, iam.amazonaws.com/session-name] # default
    allowed_roles: [mock-ec2-metadata/allowed-roles, iam.amazonaws.com/allowed-roles, iam.amazonaws.com/permitted] # default
  base_role_arn: "" # default
  rules:
    default_role: "" # default
    host_network: "" # default
    service_accounts: {} # default
    namespaces: {} # default
    namespace_annotations: false # default
  session:
    scope: role # default
    name: "" # default
    tags: none # default
    prefetch: true # default
    idle: 15m # default
events: [] # default
faults: [] # default
server:
  listen: [127.0.0.1:80, "[::1]:80"] # f.yaml:22
  allow_clients: [auto] # default
  allow_hosts: [] # default
  allow_origins: [] # default
  allow_proxies: false # default
  limits:
    connections: 2048 # default
    connections_per_client: 512 # default
    url_bytes: 2048 # default
    header_bytes: 16384 # default
    body_bytes: 4096 # default
  user: "" # default
  control: auto # default
  control_listen: "" # default
  console: auto # default
identity:
  key_file: "" # default
  cert_file: "" # default
  state_dir: "" # default
log:
  level: info # default
  format: text # default
  access: true # default
metrics:
  listen: "" # default
`
	if diff := cmp.Diff(want, string(l.YAML())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	again := mustLoad(t, strings.ReplaceAll(want, `"[redacted]"`, "hunter2"), nil, nil)
	if diff := cmp.Diff(l.Config, again.Config); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("")
	f.Add("---\n  credentials:\n    source_profile: 'default'\n    iam_role: 'arn:aws:iam::1234567890:role/myrole'\n")
	f.Add("credentials: {mock: true, session_tags: {\"a b\": 'c', ? d : ''}, policy: '{\"a\": \"\\u0000\"}'}\n")
	f.Add("server: &s {listen: [\"[::1]:80\", localhost:0]}\nlog: {level: debug, access: false}\n")
	f.Add("ec2: &e\n  hostname: &h a.b\n  image_id: *h\n  network_interfaces: [*e, {mac: *h}]\nmetadata: {a: ~}\n")
	f.Add("ec2: {subnet_ipv4_cidr_block: 10.0.0.0/28, network_interfaces: [{local_ipv4s: [10.0.0.5]}, {device_number: 0, network_card: 1}]}")
	f.Add("ec2: {local_ipv4s: [], ipv6s: ['2001:db8::1', '2001:db8::2'], network_interfaces: [{local_ipv4s: []}, {}]}")
	f.Add("metadata: {meta-data/a: ~, meta-data/a/b: \"c\\n\", dynamic/d: ''}\nec2: {tags: {a: ''}, key_pairs: [{name: k, public_key: ssh-rsa AAAA}]}")
	f.Add("ec2: {user_data_file: testdata/original-sample.yaml}\nidentity: {key_file: k, cert_file: c}\n")
	f.Add("a: *a\nb: &b [*b]\n<<: {}\n? [a]\n: b\n")
	f.Add("log:\n\tlevel: x\n---\n...\n!!map {}")
	f.Fuzz(func(t *testing.T, content string) {
		l, err := loadText(content, nil, nil)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without text")
			}
			return
		}
		text := l.YAML()
		secrets := l.Config.Credentials.ExternalID + l.Config.EC2.UserData + l.Config.EC2.UserDataBase64
		if secrets != "" || l.Config.Metadata["user-data"] != nil {
			return // redacted
		}
		again, err := load("again.yaml", text, Sources{}, "linux")
		if err != nil {
			t.Fatalf("does not load again: %v\n%s", err, text)
		}
		if diff := cmp.Diff(l.Config, again.Config); diff != "" {
			t.Fatalf("read again (-want +got):\n%s\n%s", diff, text)
		}
	})
}
