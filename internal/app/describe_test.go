package app

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
)

// described loads a configuration with made-up credentials.
func described(t *testing.T, text string) *config.Loaded {
	t.Helper()
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", "credentials: {mock: true, iam_role: '"+roleARN+"'}\n"+text)
	return load(t, "")
}

const grantsConfig = `roles:
  web: {iam_role: arn:aws:iam::123456789012:role/app/web}
  jobs: {iam_role: arn:aws:iam::210987654321:role/jobs}
clients:
  - {from: [172.20.0.0/16, 172.21.0.0/16], role: web}
  - {listen: ["127.0.0.1:5001"], role: jobs, also: [web]}
  - from: [192.168.56.11]
    role: none
    ec2: {instance_id: i-0aaaaaaaaaaaaaaaa, instance_type: m5.large, user_data: "a secret", metadata_options: {http_tokens: required}}
    metadata: {meta-data/odd: "a\ttab"}
  - {from: [192.168.56.0/24], listen: ["127.0.0.1:5002"], ec2: {instance_id: i-0bbbbbbbbbbbbbbbb}, role: web}
  - {from: ["fd00::/8"], ec2: {instance_id: i-0cccccccccccccccc}}
  - {from: [10.0.0.0/8], role: none}
  - {from: [10.1.0.0/16], also: [web]}
containers: {engine: unix:///run/engine.sock, allow: [web, "arn:aws:iam::123456789012:role/dev-*"], role: [label:role, env:IAM_ROLE]}
`

func TestDescribeGrants_HasALinePerEntry(t *testing.T) {
	got := strings.Join(DescribeGrants(described(t, grantsConfig)), "\n")
	const want = `clients[0] (conf/config.yaml:6): from 172.20.0.0/16, 172.21.0.0/16: role web
clients[1] (conf/config.yaml:7): at 127.0.0.1:5001: role jobs, also web
clients[2] (conf/config.yaml:8): from 192.168.56.11: instance i-0aaaaaaaaaaaaaaaa (m5.large) without a role
clients[3] (conf/config.yaml:12): from 192.168.56.0/24 at 127.0.0.1:5002: instance i-0bbbbbbbbbbbbbbbb (t3.micro), role web
clients[4] (conf/config.yaml:13): from fd00::/8: instance i-0cccccccccccccccc (t3.micro), the file's own role myrole
clients[5] (conf/config.yaml:14): from 10.0.0.0/8: without a role
clients[6] (conf/config.yaml:15): from 10.1.0.0/16: the file's own role myrole, also web
containers (unix:///run/engine.sock): the role that the label role, else the variable IAM_ROLE names; allowed: web, arn:aws:iam::123456789012:role/dev-*
by id (env --role, exec --role): jobs, web
everybody else: instance i-0123456789abcdef0, role myrole
clients behind one NAT address (Docker Desktop, VirtualBox's NAT, a published port) look like one client`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDescribeGrants_SaysNothingWhenAllGetTheSame(t *testing.T) {
	if got := DescribeGrants(described(t, "")); got != nil {
		t.Errorf("%q", got)
	}
}

func TestDescribeGrants_ListenersNeedNoAddress(t *testing.T) {
	got := DescribeGrants(described(t, "clients: [{listen: '127.0.0.1:5001', role: none}]\n"))
	if len(got) != 2 || !strings.HasPrefix(got[1], "everybody else: ") {
		t.Errorf("%q", got)
	}
}

func TestDescribeGrants_CutsLongLists(t *testing.T) {
	var text strings.Builder
	text.WriteString("clients:\n")
	for i := range 250 {
		fmt.Fprintf(&text, "  - {from: [10.0.%d.0/24], role: none}\n", i)
	}
	got := DescribeGrants(described(t, text.String()))
	if len(got) != 203 || got[199] != "clients[199] (conf/config.yaml:202): from 10.0.199.0/24: without a role" || got[200] != "and 50 more entries of clients" {
		t.Errorf("%d lines, the last ones %q", len(got), got[199:])
	}
}

func TestDescribeGrants_ContainersWithoutRolesSayWhy(t *testing.T) {
	for _, tt := range []struct{ keys, want string }{
		{"role: []", "no roles of their own, since containers.role is empty"},
		{"allow: []", "no roles of their own, since containers.allow is empty"},
	} {
		got := DescribeGrants(described(t, "containers: {engine: unix:///e.sock, "+tt.keys+"}\n"))
		if want := "containers (unix:///e.sock): " + tt.want; len(got) != 2 || got[0] != want {
			t.Errorf("%q, want %s", got, want)
		}
	}
}

func TestDescribeClient_SaysWhyAndWhat(t *testing.T) {
	l := described(t, grantsConfig)
	const options = "metadata options: http_tokens optional (IMDSv1 and IMDSv2), http_endpoint enabled, http_put_response_hop_limit 64, instance_metadata_tags enabled"
	const own = "instance: i-0123456789abcdef0 (t3.micro) in us-east-1a"
	container := func(role string) *caller.Workload {
		return &caller.Workload{Name: "container shop", Role: role, Source: "label role"}
	}
	for _, tt := range []struct {
		name   string
		client Client
		want   []string
		paths  []string // some of the paths
		absent string
	}{
		{
			name: "longest prefix", client: Client{Address: netip.MustParseAddr("192.168.56.11")},
			want: []string{
				"entry: clients[2] (conf/config.yaml:8), since the longest prefix is 192.168.56.11/32",
				"instance: i-0aaaaaaaaaaaaaaaa (m5.large) in us-east-1a", "role: none: iam/ is absent",
				strings.Replace(options, "optional (IMDSv1 and IMDSv2)", "required (IMDSv2 only)", 1), "roles by id: none",
			},
			paths: []string{
				"/latest/meta-data/instance-id: i-0aaaaaaaaaaaaaaaa", "/latest/user-data: [redacted]", `/latest/meta-data/odd: "a\ttab"`,
				"/latest/dynamic/instance-identity/document:", `    "instanceId" : "i-0aaaaaaaaaaaaaaaa",`, "/latest/dynamic/instance-identity/pkcs7: (signature)",
			},
			absent: "/iam/",
		},
		{
			name: "listener", client: Client{Address: netip.MustParseAddr("192.168.56.12"), Listener: "127.0.0.1:5002"},
			want: []string{
				"entry: clients[3] (conf/config.yaml:12), since the longest prefix is 192.168.56.0/24 and the listener is 127.0.0.1:5002",
				"instance: i-0bbbbbbbbbbbbbbbb (t3.micro) in us-east-1a", "role: web, arn:aws:iam::123456789012:role/app/web", options, "roles by id: web",
			},
			paths: []string{"/latest/meta-data/iam/security-credentials/web: (credentials of arn:aws:sts::123456789012:assumed-role/web/i-0bbbbbbbbbbbbbbbb)"},
		},
		{
			name: "nobody's", client: Client{Address: netip.MustParseAddr("192.168.57.1"), Listener: "0.0.0.0:5000"},
			want:   []string{"entry: none of clients: the file's own instance and credentials", own, "role: myrole, " + roleARN, options, "roles by id: jobs, web"},
			paths:  []string{"/latest/meta-data/iam/security-credentials/myrole: (credentials of arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0)"},
			absent: "user-data",
		},
		{
			name: "this machine", client: Client{Address: netip.MustParseAddr("127.0.0.1"), Listener: "127.0.0.1:5001", Local: true},
			want: []string{
				"entry: clients[1] (conf/config.yaml:7), since the listener is 127.0.0.1:5001", own,
				"role: jobs, arn:aws:iam::210987654321:role/jobs", options, "roles by id: jobs, web",
			},
		},
		{
			name: "this machine under another address", client: Client{Address: netip.MustParseAddr("10.2.0.1"), Local: true},
			want: []string{
				"entry: clients[5] (conf/config.yaml:14), since the longest prefix is 10.0.0.0/8", own, "role: none: iam/ is absent", options, "roles by id: jobs, web",
			},
		},
		{
			name: "container", client: Client{Address: netip.MustParseAddr("10.2.0.1"), Workload: container("web")},
			want: []string{
				"entry: clients[5] (conf/config.yaml:14), since the longest prefix is 10.0.0.0/8", "role named by: label role of container shop", own,
				"role: web, arn:aws:iam::123456789012:role/app/web", options, "roles by id: web",
			},
		},
		{
			name: "container that may not", client: Client{Address: netip.MustParseAddr("10.2.0.1"), Workload: container("jobs")},
			want: []string{
				"entry: clients[5] (conf/config.yaml:14), since the longest prefix is 10.0.0.0/8", "role named by: label role of container shop", own,
				`role: jobs, denied: label role names the role "jobs", which containers.allow does not permit; add it there`, options, "roles by id: none",
			},
			paths: []string{"/latest/meta-data/iam/security-credentials/jobs: (denied)"},
		},
		{
			name: "container without a role", client: Client{Address: netip.MustParseAddr("10.2.0.1"), Workload: &caller.Workload{Name: "container x"}},
			want: []string{
				"entry: clients[5] (conf/config.yaml:14), since the longest prefix is 10.0.0.0/8", own, "role: none: iam/ is absent", options, "roles by id: none",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			grant, paths, err := DescribeClient(l, tt.client)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, grant); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			all := "\n" + strings.Join(paths, "\n") + "\n"
			for _, path := range tt.paths {
				if !strings.Contains(all, "\n"+path+"\n") {
					t.Errorf("no %s in%s", path, all)
				}
			}
			if strings.Contains(all, "a secret") || tt.absent != "" && strings.Contains(all, tt.absent) {
				t.Errorf("user data, or %s, in%s", tt.absent, all)
			}
		})
	}
}

func TestRoleMismatch_ComparesTheSessions(t *testing.T) {
	l := described(t, grantsConfig)
	status := func(arn string) *api.Status {
		return &api.Status{Identities: []api.Identity{{Role: "web", ID: "id", Credentials: api.Credentials{ARN: arn}}}}
	}
	const ours = "arn:aws:sts::123456789012:assumed-role/web/i-0123456789abcdef0"
	for _, arn := range []string{"", ours} {
		if got := RoleMismatch(l, "127.0.0.1:5000", status(arn), "web"); got != "" {
			t.Errorf("%q: %s", arn, got)
		}
	}
	want := "the role web of the daemon at http://127.0.0.1:5000/ is arn:x, but that of this configuration is " + ours
	if got := RoleMismatch(l, "127.0.0.1:5000", status("arn:x"), "web"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestDescribeClient_ShowsWhatTheDaemonAnswers compares each value with the handler's answer.
func TestDescribeClient_ShowsWhatTheDaemonAnswers(t *testing.T) {
	text := strings.NewReplacer("http_tokens: required", "http_tokens: optional", "unix:///run/engine.sock", "''", `a\ttab`, "b").Replace(grantsConfig)
	l := described(t, text+"server: {allow_clients: ['0.0.0.0/0', '::/0']}\n")
	u := newUnserved(t, options(l))
	u.begin(t)
	for _, address := range []string{"172.20.0.1", "192.168.56.11", "10.1.0.1", "10.9.0.1", "fd00::1", "8.8.8.8"} {
		_, lines, err := DescribeClient(l, Client{Address: netip.MustParseAddr(address)})
		if err != nil {
			t.Fatal(err)
		}
		compared := 0
		for i := 0; i < len(lines); i++ {
			path, value, single := strings.Cut(lines[i], ": ")
			if !single {
				path = strings.TrimSuffix(path, ":")
				var more []string
				for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ") {
					i++
					more = append(more, lines[i][2:])
				}
				value = strings.Join(more, "\n")
			}
			rec := u.do("GET", path, netip.AddrPortFrom(netip.MustParseAddr(address), 40000).String())
			if rec.Code != 200 {
				t.Errorf("%s: GET %s is %d", address, path, rec.Code)
			}
			if strings.HasPrefix(value, "(") && value != "(unknown)" || value == "[redacted]" {
				continue
			}
			compared++
			if got := strings.TrimSuffix(rec.Body.String(), "\n"); got != value {
				t.Errorf("%s: %s is %q, but the daemon answers %q", address, path, value, got)
			}
		}
		if compared < 40 {
			t.Errorf("%s: only %d values", address, compared)
		}
	}
}
