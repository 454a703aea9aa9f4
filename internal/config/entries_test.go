package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const base = `
credentials:
  source_profile: work
  iam_role: arn:aws:iam::123456789012:role/base
  duration: 2h
  external_id: secret
  session_tags: {team: red, stage: dev}
  policy_arns: ['arn:aws:iam::aws:policy/A', 'arn:aws:iam::aws:policy/B']
`

func TestRoles_InheritWhatTheyLeaveOut(t *testing.T) {
	l := mustLoad(t, base+`
roles:
  same: {}
  web: {iam_role: 'arn:aws:iam::123456789012:role/web', duration: 30m}
  bare: {external_id: "", session_tags: {}, policy_arns: []}
  own: {iam_role: ""}
  tags: {session_tags: {team: blue}, policy_arns: ['arn:aws:iam::aws:policy/C']}
  "null": {external_id: , duration: ~}
`, nil, nil)
	want := func(edit func(*Credentials)) Credentials {
		c := l.Config.Credentials
		edit(&c)
		return c
	}
	for name, want := range map[string]Credentials{
		"same": want(func(*Credentials) {}),
		"null": want(func(*Credentials) {}),
		"web": want(func(c *Credentials) {
			c.IAMRole, c.Duration, c.RefreshBefore = "arn:aws:iam::123456789012:role/web", 30*time.Minute, 15*time.Minute
		}),
		"bare": want(func(c *Credentials) { c.ExternalID, c.SessionTags, c.PolicyARNs = "", nil, nil }),
		"own":  want(func(c *Credentials) { c.IAMRole = "" }),
		"tags": want(func(c *Credentials) {
			c.SessionTags, c.PolicyARNs = map[string]string{"team": "blue"}, []string{"arn:aws:iam::aws:policy/C"}
		}),
	} {
		if diff := cmp.Diff(want, l.Config.Roles[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := l.Config.Credentials.SessionTags; len(got) != 2 {
		t.Errorf("the file's own tags are %v", got)
	}
}

func TestRoles_RefreshBeforeIsOfTheirOwnDuration(t *testing.T) {
	l := mustLoad(t, "credentials: {mock: true, duration: 20m}\nroles: {long: {duration: 1h}, set: {refresh_before: 2m}}", nil, nil)
	if got := l.Config.Roles["long"].RefreshBefore; got != 25*time.Minute {
		t.Errorf("long: %v", got)
	}
	if got := l.Config.Roles["set"].RefreshBefore; got != 2*time.Minute {
		t.Errorf("set: %v", got)
	}
}

func TestRoles_MadeUpOnesHaveTheirName(t *testing.T) {
	l := mustLoad(t, "credentials: {mock: true}\nroles: {web: {}, jobs: {iam_role: 'arn:aws:iam::210987654321:role/j'}}", nil, nil)
	if got := l.Config.Roles["web"].IAMRole; got != "arn:aws:iam::123456789012:role/web" {
		t.Errorf("web: %s", got)
	}
	if got := l.Config.Roles["jobs"].IAMRole; got != "arn:aws:iam::210987654321:role/j" {
		t.Errorf("jobs: %s", got)
	}
}

func TestRoles_VariablesAndFlagsReachThem(t *testing.T) {
	l := mustLoad(t, "credentials: {mock: true}\nroles: {web: {duration: 1h}}",
		[]string{"MOCK_EC2_METADATA__ROLES__web__DURATION=2h", "MOCK_EC2_METADATA__CLIENTS=[{from: 10.0.0.1, role: web}]"}, []string{"roles.jobs.duration=3h"})
	if got := []time.Duration{l.Config.Roles["web"].Duration, l.Config.Roles["jobs"].Duration}; got[0] != 2*time.Hour || got[1] != 3*time.Hour {
		t.Errorf("durations %v", got)
	}
	if got := l.Config.Clients; len(got) != 1 || got[0].Role != "web" {
		t.Errorf("clients %+v", got)
	}
}

const instances = `
credentials: {mock: true, iam_role: 'arn:aws:iam::111111111111:role/base'}
aws: {availability_zone: us-east-1b, availability_zone_id: use1-az1}
ec2:
  instance_id: i-00000000000000001
  instance_type: m7g.large
  architecture: arm64
  mac: 0a:00:00:00:00:01
  user_data: hello
  tags: {Name: file, Team: red}
  local_ipv4: 10.0.0.7
roles: {web: {iam_role: 'arn:aws:iam::222222222222:role/web'}}
metadata: {meta-data/a: "1", meta-data/b: "2"}
clients:
`

// overlaid loads one entry of clients.
func overlaid(t *testing.T, entry string) *Client {
	t.Helper()
	return &mustLoad(t, instances+"  - {from: 10.0.0.1, "+entry+"}\n", nil, nil).Config.Clients[0]
}

func TestClients_KeysAreLaidOverThoseOfTheFile(t *testing.T) {
	c := overlaid(t, "ec2: {instance_id: i-00000000000000002, tags: {Name: box, Team: null, New: x}}, metadata: {meta-data/b: null, meta-data/c: '3'}")
	in := c.Instance
	if in.EC2.InstanceID != "i-00000000000000002" || in.EC2.MAC != "" || in.EC2.InstanceType != "m7g.large" || in.EC2.LocalIPv4 != "10.0.0.7" {
		t.Errorf("%+v", in.EC2)
	}
	if diff := cmp.Diff(map[string]string{"Name": "box", "New": "x"}, in.EC2.Tags); diff != "" {
		t.Error(diff)
	}
	one, three := "1", "3"
	if diff := cmp.Diff(map[string]*string{"meta-data/a": &one, "meta-data/b": nil, "meta-data/c": &three}, in.Metadata); diff != "" {
		t.Error(diff)
	}
	if string(c.UserData) != "hello" {
		t.Errorf("user data %q", c.UserData)
	}
}

func TestClients_KeyReplacesWhatTheFileSaysOtherwise(t *testing.T) {
	for entry, want := range map[string]string{
		"aws: {region: eu-west-1}":                         "eu-west-1 eu-west-1a  arm64 10.0.0.7 hello",
		"aws: {availability_zone: eu-west-1c}":             "eu-west-1 eu-west-1c  arm64 10.0.0.7 hello",
		"aws: {account_id: '333333333333'}":                "us-east-1 us-east-1b use1-az1 arm64 10.0.0.7 hello",
		"ec2: {instance_type: m5.large}":                   "us-east-1 us-east-1b use1-az1 x86_64 10.0.0.7 hello",
		"ec2: {local_ipv4s: [10.0.0.8, 10.0.0.9]}":         "us-east-1 us-east-1b use1-az1 arm64 10.0.0.8 hello",
		"ec2: {user_data_base64: aGk=}":                    "us-east-1 us-east-1b use1-az1 arm64 10.0.0.7 hi",
		"ec2: {user_data: ''}":                             "us-east-1 us-east-1b use1-az1 arm64 10.0.0.7 ",
		"ec2: {metadata_options: {http_tokens: required}}": "us-east-1 us-east-1b use1-az1 arm64 10.0.0.7 hello",
	} {
		c := overlaid(t, entry)
		in := c.Instance
		got := strings.Join([]string{in.AWS.Region, in.AWS.AvailabilityZone, in.AWS.AvailabilityZoneID, in.EC2.Architecture, in.EC2.LocalIPv4, string(c.UserData)}, " ")
		if got != want {
			t.Errorf("%s: got %q, want %q", entry, got, want)
		}
	}
}

func TestClients_AccountIsThatOfTheirRole(t *testing.T) {
	l := mustLoad(t, instances+"  - {from: 10.0.0.1, role: web}\n  - {from: 10.0.0.2, role: web, aws: {account_id: '333333333333'}}\n  - {from: 10.0.0.3, role: none, ec2: {instance_id: i-00000000000000003}}\n", nil, nil)
	web := l.Config.Roles["web"]
	for i, want := range []string{"222222222222", "333333333333"} {
		if in, _ := l.InstanceOf(i, &web); in.AWS.AccountID != want || in.Credentials.IAMRole != web.IAMRole {
			t.Errorf("%d: account %s, role %s", i, in.AWS.AccountID, in.Credentials.IAMRole)
		}
	}
	if in, _ := l.InstanceOf(2, nil); in.AWS.AccountID != "111111111111" || in.Credentials.IAMRole != "" {
		t.Errorf("without a role: %+v", in.AWS)
	}
}

func TestClients_NetworksAreUnmapped(t *testing.T) {
	l := mustLoad(t, "clients:\n  - {from: [10.0.0.1, 10.1.0.0/16, '::ffff:10.2.0.1', '::ffff:10.3.0.0/112', 2001:db8::1, '::/0', 0.0.0.0/0]}", nil, nil)
	var want []netip.Prefix
	for _, p := range []string{"10.0.0.1/32", "10.1.0.0/16", "10.2.0.1/32", "10.3.0.0/16", "2001:db8::1/128", "::/0", "0.0.0.0/0"} {
		want = append(want, netip.MustParsePrefix(p))
	}
	if diff := cmp.Diff(want, l.Config.Clients[0].From, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// The file's own derived values must not become those that roles and clients inherit.
func TestRoles_PrintedConfigurationLoadsAgain(t *testing.T) {
	l := mustLoad(t, "credentials: {mock: true, duration: 20m}\nroles: {a: {}, b: {duration: 1h}}\nclients: [{from: 10.0.0.1, role: a, ec2: {instance_id: i-00000000000000002}}]", nil, nil)
	again := mustLoad(t, string(l.YAML()), nil, nil)
	if diff := cmp.Diff(l.Config, again.Config, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.AllowUnexported(Client{})); diff != "" {
		t.Errorf("%s\n%s", diff, l.YAML())
	}
}

func TestClients_PrintedConfigurationLoadsAgain(t *testing.T) {
	l := mustLoad(t, base+`
roles:
  web: {iam_role: 'arn:aws:iam::123456789012:role/web', session_tags: {a: b}}
  same: {}
ec2: {tags: {Team: red, Stage: dev}}
clients:
  - {from: [10.1.0.0/16, 10.2.0.1], role: web}
  - {from: 10.4.0.1, ec2: {tags: {Team: null, Stage: null}}}
  - from: 10.3.0.1
    listen: 127.0.0.1:5001
    role: none
    also: [web]
    aws: {region: eu-west-1}
    ec2: {instance_id: i-00000000000000002, tags: {Name: x, Team: null}, network_interfaces: [{mac: '0a:00:00:00:00:02'}]}
    metadata: {meta-data/x: null}
containers: {engine: 'unix:///var/run/docker.sock', allow: [web]}
`, nil, nil)
	printed := strings.Replace(string(l.YAML()), `external_id: "[redacted]"`, "external_id: secret", 1)
	again := mustLoad(t, printed, nil, nil)
	if diff := cmp.Diff(l.Config, again.Config, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.IgnoreUnexported(Client{})); diff != "" {
		t.Errorf("%s\n%s", diff, printed)
	}
	for _, want := range []string{
		"roles:\n  same: {} # f.yaml:12\n  web:\n    iam_role: arn:aws:iam::123456789012:role/web # f.yaml:11\n    session_tags:\n      a: b # f.yaml:11\n",
		"clients:\n  - from: [10.1.0.0/16, 10.2.0.1] # f.yaml:15\n    role: web # f.yaml:15\n" +
			"  - from: [10.4.0.1] # f.yaml:16\n    ec2:\n      tags:\n        Stage: null # f.yaml:16\n        Team: null # f.yaml:16\n" +
			"  - from: [10.3.0.1] # f.yaml:17\n    listen: [127.0.0.1:5001] # f.yaml:18\n    role: none # f.yaml:19\n",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("no\n%s\nin\n%s", want, printed)
		}
	}
}
