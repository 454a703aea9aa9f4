package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const manyIdentities = `
credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/base'}
ec2: {instance_id: i-00000000000000001, tags: {Name: file, Team: red}}
roles:
  web: {iam_role: 'arn:aws:iam::123456789012:role/web'}
  jobs: {iam_role: 'arn:aws:iam::210987654321:role/team/jobs'}
clients:
  - {from: [10.1.0.0/16], role: web}
  - {from: [10.1.2.0/24, '2001:db8::/64'], role: jobs}
  - {from: [10.1.0.0/16], role: jobs}
  - {from: ['::ffff:10.2.0.1'], role: none}
  - from: 10.3.0.1
    role: jobs
    also: web
    aws: {region: eu-west-1}
    ec2: {instance_id: i-00000000000000002, instance_type: m7g.large, tags: {Name: box, Team: null}, metadata_options: {http_tokens: required}}
    metadata: {meta-data/ami-id: ami-2}
  - {from: 10.4.0.1, ec2: {instance_id: i-00000000000000003}}
server: {allow_clients: [0.0.0.0/0, '::/0']}
`

// many is a daemon of manyIdentities, or of another configuration, whose handler the test calls.
func many(t *testing.T, configuration string) *unserved {
	t.Helper()
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", configuration)
	u := newUnserved(t, options(load(t, "")))
	u.begin(t)
	return u
}

// from asks for a path below latest from an address.
func (u *unserved) from(address, path string) string {
	rec := u.do(http.MethodGet, "/latest/"+path, address)
	if rec.Code != http.StatusOK {
		return http.StatusText(rec.Code)
	}
	return rec.Body.String()
}

const rolesPath = "meta-data/iam/security-credentials/"

func TestIdentities_RoleIsThatOfTheLongestPrefixThenTheFirstEntry(t *testing.T) {
	u := many(t, manyIdentities)
	for address, want := range map[string]string{
		"10.1.1.1:1":           "web",
		"10.1.2.1:1":           "jobs",
		"[::ffff:10.1.1.1]:1":  "web",
		"[2001:db8::1]:1":      "jobs",
		"[2001:db8:0:1::1]:1":  "base",
		"10.2.0.1:1":           "Not Found",
		"[::ffff:10.2.0.1]:1":  "Not Found",
		"10.2.0.2:1":           "base",
		"10.3.0.1:1":           "Unauthorized",
		"10.4.0.1:1":           "base",
		"127.0.0.1:1":          "base",
		"[2001:db8::2%eth0]:1": "jobs",
	} {
		if got := u.from(address, rolesPath); got != want {
			t.Errorf("%s gets %q, want %q", address, got, want)
		}
	}
}

func TestIdentities_OneClientDoesNotGetTheRoleOfAnother(t *testing.T) {
	u := many(t, manyIdentities)
	for _, tt := range []struct{ address, role, session string }{
		{"10.1.1.1:1", "web", "arn:aws:iam::123456789012:instance-profile/web"},
		{"10.1.2.1:1", "jobs", "arn:aws:iam::210987654321:instance-profile/jobs"},
	} {
		if got := u.from(tt.address, rolesPath+tt.role); !strings.Contains(got, `"Code" : "Success"`) {
			t.Errorf("%s: %s", tt.role, got)
		}
		if got := u.from(tt.address, "meta-data/iam/info"); !strings.Contains(got, tt.session) {
			t.Errorf("%s: %s", tt.role, got)
		}
		for _, other := range []string{"web", "jobs", "base"} {
			if got := u.from(tt.address, rolesPath+other); other != tt.role && got != "Not Found" {
				t.Errorf("%s gets %s of %s", tt.role, got, other)
			}
		}
	}
}

func TestIdentities_NoRoleLeavesTheRestOfTheTree(t *testing.T) {
	u := many(t, manyIdentities)
	if got := u.from("10.2.0.1:1", "meta-data/iam/"); got != "Not Found" {
		t.Errorf("iam/: %s", got)
	}
	if got := u.from("10.2.0.1:1", "meta-data/"); strings.Contains(got, "iam") || !strings.Contains(got, "instance-id") {
		t.Errorf("meta-data/: %s", got)
	}
	if got := u.from("10.2.0.1:1", "meta-data/instance-id"); got != "i-00000000000000001" {
		t.Errorf("instance id %s", got)
	}
}

// token gets a session token from an address.
func (u *unserved) token(t *testing.T, address string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPut, "/latest/api/token", nil)
	r.Host, r.RemoteAddr = "127.0.0.1:5000", address
	r.Header.Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
	rec := httptest.NewRecorder()
	u.http.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		t.Fatalf("token: %d", rec.Code)
	}
	return rec.Body.String()
}

// with asks for a path below latest with a token.
func (u *unserved) with(token, address, path string) string {
	r := httptest.NewRequest(http.MethodGet, "/latest/"+path, nil)
	r.Host, r.RemoteAddr = "127.0.0.1:5000", address
	r.Header.Set("X-Aws-Ec2-Metadata-Token", token)
	rec := httptest.NewRecorder()
	u.http.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		return http.StatusText(rec.Code)
	}
	return rec.Body.String()
}

func TestIdentities_OverlaidEntryIsACoherentInstanceOfItsOwn(t *testing.T) {
	u := many(t, manyIdentities)
	token := u.token(t, "10.3.0.1:1")
	get := func(path string) string { return u.with(token, "10.3.0.1:1", path) }
	for path, want := range map[string]string{
		"meta-data/instance-id":                 "i-00000000000000002",
		"meta-data/instance-type":               "m7g.large",
		"meta-data/placement/region":            "eu-west-1",
		"meta-data/placement/availability-zone": "eu-west-1a",
		"meta-data/tags/instance/":              "Name",
		"meta-data/tags/instance/Name":          "box",
		"meta-data/ami-id":                      "ami-2",
		"meta-data/iam/security-credentials/":   "jobs",
	} {
		if got := get(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	var document struct{ InstanceID, AccountID, Architecture, Region, ImageID string }
	if err := json.Unmarshal([]byte(get("dynamic/instance-identity/document")), &document); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(document); got != "{i-00000000000000002 210987654321 arm64 eu-west-1 ami-0abcdef1234567890}" {
		t.Errorf("document %s", got)
	}
	own, file := get("meta-data/mac"), u.from("10.9.9.9:1", "meta-data/mac")
	if own == file || !strings.Contains(get("meta-data/network/interfaces/macs/"), own) {
		t.Errorf("mac %s, the file's %s", own, file)
	}
	if other := u.from("10.4.0.1:1", "meta-data/reservation-id"); other == u.from("10.9.9.9:1", "meta-data/reservation-id") {
		t.Errorf("two instances have the reservation %s", other)
	}
}

// As on EC2, tokens are of one instance. Roles of one instance share them.
func TestIdentities_TokenOfAnotherInstanceIsUnauthorized(t *testing.T) {
	u := many(t, manyIdentities)
	box, file := u.token(t, "10.3.0.1:1"), u.token(t, "127.0.0.1:1")
	for _, tt := range []struct{ token, address, want string }{
		{box, "10.3.0.1:1", "jobs"},
		{file, "10.3.0.1:1", "Unauthorized"},
		{box, "127.0.0.1:1", "Unauthorized"},
		{box, "10.4.0.1:1", "Unauthorized"},
		{file, "10.1.1.1:1", "web"},
		{file, "10.1.2.1:1", "jobs"},
	} {
		if got := u.with(tt.token, tt.address, rolesPath); got != tt.want {
			t.Errorf("%s gets %q, want %q", tt.address, got, tt.want)
		}
	}
}

func TestIdentities_SignaturesAreOfTheirOwnDocumentAndSurviveAReload(t *testing.T) {
	u := many(t, manyIdentities)
	const path = "dynamic/instance-identity/pkcs7"
	token := u.token(t, "10.3.0.1:1")
	file, box := u.from("127.0.0.1:1", path), u.with(token, "10.3.0.1:1", path)
	if file == box || len(box) < 500 {
		t.Fatalf("signatures %q and %q", file, box)
	}
	if err := u.Reload("the test"); err != nil {
		t.Fatal(err)
	}
	if again := u.with(token, "10.3.0.1:1", path); again != box {
		t.Errorf("the signature changed from\n%s\nto\n%s", box, again)
	}
}

// id returns the id of a role's container credentials.
func (u *unserved) id(t testing.TB, role string) string {
	t.Helper()
	for _, one := range u.Status().Identities {
		if one.Role == role && one.ID != "" {
			return one.ID
		}
	}
	t.Fatalf("no id of %s", role)
	return ""
}

func TestIdentities_IDIsForItsRoleWhoeverMayHaveIt(t *testing.T) {
	u := many(t, manyIdentities)
	web, jobs := u.id(t, "web"), u.id(t, "jobs")
	unknown := u.do(http.MethodGet, "/v2/credentials/"+strings.Repeat("0", len(web)), "127.0.0.1:1").Body.String()
	for _, tt := range []struct {
		name, address, id string
		want              string
	}{
		{"this machine", "127.0.0.1:1", web, "role/web"},
		{"the role's path stays", "127.0.0.1:1", jobs, "role/team/jobs"},
		{"no entry", "10.9.9.9:1", web, "role/web"},
		{"the entry's role", "10.1.1.1:1", web, "role/web"},
		{"also", "10.3.0.1:1", web, "role/web"},
		{"another role", "10.1.1.1:1", jobs, ""},
		{"role: none", "10.2.0.1:1", web, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := u.do(http.MethodGet, "/v2/credentials/"+tt.id, tt.address)
			if got := rec.Body.String(); tt.want == "" && (got != unknown || rec.Code != http.StatusBadRequest) || !strings.Contains(got, tt.want) {
				t.Errorf("%d %s", rec.Code, got)
			}
			if v1 := u.do(http.MethodGet, "/v1/credentials?id="+tt.id, tt.address); tt.want != "" && v1.Body.String() != rec.Body.String() {
				t.Errorf("v1 answers %d %s", v1.Code, v1.Body)
			}
		})
	}
}

func TestIdentities_OtherMachinesSeeTheirOwnStatus(t *testing.T) {
	u := many(t, manyIdentities)
	for address, want := range map[string]string{
		"10.1.1.1:1": "i-00000000000000001 web mock",
		"10.2.0.1:1": "i-00000000000000001  none",
		"10.3.0.1:1": "i-00000000000000002 jobs mock",
		"10.9.9.9:1": "i-00000000000000001 base mock",
	} {
		var s api.Status
		body := u.do(http.MethodGet, "/status", address).Body.String()
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			t.Fatal(err)
		}
		if got := s.InstanceID + " " + s.Role + " " + s.Credentials.Source; got != want {
			t.Errorf("%s sees %q, want %q", address, got, want)
		}
		if strings.Contains(body, "credentials_id") || strings.Contains(body, "identities") {
			t.Errorf("%s sees too much: %s", address, body)
		}
	}
}

// reload writes the configuration and reads it.
func (u *unserved) reload(t *testing.T, configuration string) error {
	t.Helper()
	testutil.Write(t, "conf/config.yaml", configuration)
	return u.Reload("the test")
}

const twoRoles = `
credentials: {source_profile: default, iam_role: 'arn:aws:iam::123456789012:role/myrole'}
roles:
  web: {iam_role: 'arn:aws:iam::123456789012:role/web'}
  jobs: {iam_role: 'arn:aws:iam::123456789012:role/jobs'}
clients:
  - {from: 10.1.1.1, role: web}
  - {from: 10.1.1.2, role: jobs}
server: {allow_clients: [0.0.0.0/0]}
`

// realMany is many with a fake STS that knows the roles myrole, web and jobs, and further ones.
func realMany(t *testing.T, configuration string, further ...string) (*unserved, *stsfake.Server) {
	t.Helper()
	sts := startSTS(t)
	for _, name := range append([]string{"myrole", "web", "jobs"}, further...) {
		sts.AddRole("arn:aws:iam::123456789012:role/" + name)
	}
	testutil.Write(t, "conf/config.yaml", configuration)
	u := newUnserved(t, options(load(t, "")))
	u.begin(t)
	u.Settle(t.Context())
	return u, sts
}

// roles are the ARNs of the calls of AssumeRole, sorted.
func roles(sts *stsfake.Server) []string {
	var all []string
	for _, r := range sts.Requests() {
		if r.Action == "AssumeRole" {
			all = append(all, strings.TrimPrefix(r.Form.Get("RoleArn"), "arn:aws:iam::123456789012:role/"))
		}
	}
	slices.Sort(all)
	return all
}

func TestIdentities_RolesAreFetchedWhenFirstAskedFor(t *testing.T) {
	u, sts := realMany(t, twoRoles)
	if got := roles(sts); !slices.Equal(got, []string{"myrole"}) {
		t.Fatalf("at the start STS was asked for %q", got)
	}
	for range 3 {
		u.from("10.1.1.1:1", rolesPath+"web")
	}
	if got := roles(sts); !slices.Equal(got, []string{"myrole", "web"}) {
		t.Errorf("STS was asked for %q", got)
	}
}

func TestReload_RemovedRoleIsRefusedAndOthersAreNotFetchedAgain(t *testing.T) {
	u, sts := realMany(t, twoRoles)
	web, jobs := u.from("10.1.1.1:1", rolesPath+"web"), u.from("10.1.1.2:1", rolesPath+"jobs")
	id := u.id(t, "web")
	if err := u.reload(t, strings.NewReplacer("  web: {iam_role: 'arn:aws:iam::123456789012:role/web'}\n", "", "  - {from: 10.1.1.1, role: web}\n", "").Replace(twoRoles)); err != nil {
		t.Fatal(err)
	}
	if got := u.from("10.1.1.1:1", rolesPath+"web"); got != "Not Found" || !strings.Contains(web, "Success") {
		t.Errorf("the removed role answers %s", got)
	}
	if got := u.do(http.MethodGet, "/v2/credentials/"+id, "127.0.0.1:1"); got.Code != http.StatusBadRequest {
		t.Errorf("the id of the removed role answers %d %s", got.Code, got.Body)
	}
	if got := u.from("10.1.1.2:1", rolesPath+"jobs"); got != jobs {
		t.Errorf("the other role changed from\n%s\nto\n%s", jobs, got)
	}
	if got := roles(sts); !slices.Equal(got, []string{"jobs", "myrole", "web"}) {
		t.Errorf("STS was asked for %q", got)
	}
}

func TestReload_BadEntryIsRefusedWithItsLine(t *testing.T) {
	u := many(t, twoRoles)
	for _, tt := range []struct{ old, bad, want string }{
		{"from: 10.1.1.1, role: web", "from: 10.1.1.1, role: wep", `conf/config.yaml:7: clients[0].role: there is no role "wep"; did you mean web? roles has: jobs, web`},
		{
			"from: 10.1.1.2, role: jobs", "from: 10.1.1.2, ec2: {instance_id: i-00000000000000002, subnet_ipv4_cidr_block: 10.0.0.0/20, local_ipv4: 10.9.0.1}",
			`conf/config.yaml:8: clients[1].ec2.local_ipv4: 10.9.0.1 is not in ec2.subnet_ipv4_cidr_block 10.0.0.0/20`,
		},
	} {
		before := u.State()
		err := u.reload(t, strings.Replace(twoRoles, tt.old, tt.bad, 1))
		if err == nil || err.Error() != tt.want {
			t.Errorf("got:\n%v\nwant:\n%s", err, tt.want)
		}
		if u.State() != before {
			t.Error("the state changed")
		}
	}
}

func TestIdentities_RefusedRoleIs403ByItsIDWithTheCodeOfSTS(t *testing.T) {
	u, sts := realMany(t, twoRoles)
	sts.Fail(stsfake.AccessDenied)
	rec := u.do(http.MethodGet, "/v2/credentials/"+u.id(t, "web"), "127.0.0.1:1")
	if got := rec.Body.String(); rec.Code != http.StatusForbidden || !strings.HasPrefix(got, `{"code":"AccessDenied","message":"`) || !strings.HasSuffix(got, `,"HTTPErrorCode":403}`) {
		t.Errorf("%d %s", rec.Code, got)
	}
}

// Only the socket says who asks: kiam let clients choose another pod by ?ip=.
func TestIdentities_NothingInARequestChoosesAnotherClient(t *testing.T) {
	u := many(t, manyIdentities)
	r := httptest.NewRequest(http.MethodGet, "/latest/"+rolesPath+"?ip=10.1.2.1&role=jobs", nil)
	r.Host, r.RemoteAddr = "10.1.2.1", "10.1.1.1:1"
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via", "Client-Ip"} {
		r.Header.Set(name, "10.1.2.1")
	}
	rec := httptest.NewRecorder()
	if u.http.ServeHTTP(rec, r); rec.Body.String() != "web" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
