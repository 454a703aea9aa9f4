package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/internal/web"
	"mock-ec2-metadata/test/stsfake"
)

// heldBody is a request's body that the client sends late.
type heldBody struct{ reading, sent chan struct{} }

func (b heldBody) Read([]byte) (int, error) {
	close(b.reading)
	<-b.sent
	return 0, io.EOF
}

func (heldBody) Close() error { return nil }

// The guard judges a client before its body has come. A reload meanwhile may deny the client, and take away its entry.
func TestReload_HeldRequestIsJudgedByTheNewConfiguration(t *testing.T) {
	const roles = "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/admin'}\nroles: {low: {iam_role: 'arn:aws:iam::123456789012:role/low'}}\n"
	for _, tt := range []struct {
		name, after string
		want        int
	}{
		{"denied", "server: {allow_clients: []}\n", http.StatusForbidden},
		{"without an entry", "server: {allow_clients: [10.0.0.0/8]}\n", http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := many(t, roles+"clients: [{from: 10.0.0.0/8, role: low}]\nserver: {allow_clients: [10.0.0.0/8]}\n")
			body := heldBody{make(chan struct{}), make(chan struct{})}
			r := httptest.NewRequest(http.MethodGet, "/latest/"+rolesPath+"admin", body)
			r.Host, r.RemoteAddr, r.ContentLength = "127.0.0.1:5000", "10.1.1.1:1", -1
			rec := httptest.NewRecorder()
			done := make(chan struct{})
			go func() {
				defer close(done)
				u.http.ServeHTTP(rec, r)
			}()
			<-body.reading
			if err := u.reload(t, roles+tt.after); err != nil {
				t.Fatal(err)
			}
			close(body.sent)
			if <-done; rec.Code != tt.want {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
	}
}

// What served one role must not serve another because its entry is gone.
func TestReload_ListenerWithoutItsEntryServesNobody(t *testing.T) {
	testutil.IsolateHome(t)
	at := testutil.FreeAddr(t)
	const with = "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/admin'}\nroles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web'}}\n"
	own := "clients: [{listen: '" + at + "', role: web}]\n"
	testutil.Write(t, "conf/config.yaml", with+own)
	d := startWith(t, options(load(t, "")))
	for _, tt := range []struct {
		entries string
		want    int
		restart string
	}{
		{own, http.StatusOK, ""},
		{"", http.StatusServiceUnavailable, "clients[].listen"},
		{strings.Replace(own, "127.0.0.1", "localhost", 1), http.StatusServiceUnavailable, "clients[].listen"},
		{own, http.StatusOK, ""},
	} {
		testutil.Write(t, "conf/config.yaml", with+tt.entries)
		if err := d.Reload("the test"); err != nil {
			t.Fatal(err)
		}
		if code, body := fetch(t, "http://"+at+"/latest/"+rolesPath); code != tt.want || code == http.StatusOK && body != "web" {
			t.Errorf("%q: %d %s", tt.entries, code, body)
		}
		if got := strings.Join(d.status(t).Config.NeedsRestart, " "); got != tt.restart {
			t.Errorf("%q: needs_restart is %q, want %q", tt.entries, got, tt.restart)
		}
	}
}

const sharedARN = `
credentials: {source_profile: default, iam_role: 'arn:aws:iam::123456789012:role/myrole'}
roles:
  a: {iam_role: 'arn:aws:iam::123456789012:role/web', external_id: right}
  b: {iam_role: 'arn:aws:iam::123456789012:role/web', external_id: wrong}
clients:
  - {from: 10.1.1.1, role: a}
  - {from: 10.1.1.2, role: b}
server: {allow_clients: [0.0.0.0/0]}
`

// STS accepts the external id of a alone. After a reload a keeper may take over a session, but not that of another entry.
func TestReload_RoleDoesNotTakeOverTheSessionOfAnotherEntry(t *testing.T) {
	for name, after := range map[string]string{
		"a is removed":                     strings.NewReplacer("  a: {iam_role: 'arn:aws:iam::123456789012:role/web', external_id: right}\n", "", "  - {from: 10.1.1.1, role: a}\n", "").Replace(sharedARN),
		"an inherited key of both changes": sharedARN + "aws: {region: eu-west-1}\n",
	} {
		t.Run(name, func(t *testing.T) {
			sts := startSTS(t)
			sts.AddRole(roleARN)
			sts.AddRole("arn:aws:iam::123456789012:role/web", stsfake.ExternalID("right"))
			testutil.Write(t, "conf/config.yaml", sharedARN)
			u := newUnserved(t, options(load(t, "")))
			u.begin(t)
			if got := u.from("10.1.1.1:1", rolesPath+"web"); !strings.Contains(got, "Success") {
				t.Fatal(got)
			}
			if err := u.reload(t, after); err != nil {
				t.Fatal(err)
			}
			if got := u.from("10.1.1.2:1", rolesPath+"web"); !strings.Contains(got, "AssumeRoleUnauthorizedAccess") {
				t.Errorf("b gets %.200s", got)
			}
		})
	}
}

func TestBuild_MetadataInTheWayOfARoleIsRefusedAtLoad(t *testing.T) {
	const roles = "credentials: {iam_role: ''}\nroles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web', mock: true}}\n"
	for content, want := range map[string]string{
		roles + "metadata: {meta-data/iam/info/x: '1'}\n":                                         "conf/config.yaml:3: metadata.meta-data/iam/info/x: meta-data/iam/info is a value, not a directory; remove it first with null",
		roles + "clients: [{from: 10.1.1.1, role: web, metadata: {meta-data/iam/info/x: '1'}}]\n": "conf/config.yaml:3: clients[0].metadata.meta-data/iam/info/x: meta-data/iam/info is a value, not a directory; remove it first with null",
	} {
		testutil.IsolateHome(t)
		testutil.Write(t, "conf/config.yaml", content)
		if _, err := Check(load(t, "")); err == nil || err.Error() != want {
			t.Errorf("got:\n%v\nwant:\n%s", err, want)
		}
	}
}

func TestRoleMismatch_KnowsTheSessionOfAnIdleRole(t *testing.T) {
	u := many(t, "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/base'}\nroles: {web: {iam_role: 'arn:aws:iam::111111111111:role/web'}}\n")
	ours := load(t, "", "roles.web.iam_role=arn:aws:iam::222222222222:role/web")
	const want = "the role web of the daemon at http://127.0.0.1:5000/ is arn:aws:sts::111111111111:assumed-role/web/i-0123456789abcdef0, but that of this configuration is arn:aws:sts::222222222222:assumed-role/web/i-0123456789abcdef0"
	if got := RoleMismatch(ours, "127.0.0.1:5000", u.Status(), "web"); got != want {
		t.Errorf("got %q", got)
	}
}

// The id is of a role, and the session is named after the instance of the client that asks by it.
func TestIdentities_SessionByIDIsOfTheClientsOwnInstance(t *testing.T) {
	u := many(t, manyIdentities)
	for _, role := range []string{"jobs", "web"} { // its own, and one of also
		if rec := u.do(http.MethodGet, "/v2/credentials/"+u.id(t, role), "10.3.0.1:1"); rec.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", role, rec.Code, rec.Body)
		}
		found := false
		for _, one := range u.Status().Identities {
			found = found || one.Role == role && strings.HasSuffix(one.Credentials.ARN, "/i-00000000000000002") && one.Credentials.State == api.StateValid
		}
		if !found {
			t.Errorf("no session of %s for the client's instance: %+v", role, u.Status().Identities)
		}
	}
}

// to is a connection to an address of this machine.
type to struct {
	net.Conn
	local string
}

func (c to) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.local)) }

func (c to) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:1"))
}

// As on EC2, a request that software is tricked into at one service must not reach another (container-credentials-reference 10.2).
func TestHandler_IDsAreNotAnsweredAtTheAddressOfTheMetadataService(t *testing.T) {
	u := many(t, manyIdentities)
	for local, want := range map[string]int{
		"127.0.0.1:5000":        http.StatusOK,
		"169.254.169.254:80":    http.StatusNotFound,
		"[fd00:ec2::254]:80":    http.StatusNotFound,
		"[::ffff:a9fe:a9fe]:80": http.StatusNotFound,
		"169.254.169.253:80":    http.StatusOK,
	} {
		r := httptest.NewRequest(http.MethodGet, "/v2/credentials/"+u.id(t, "web"), nil)
		r.Host = "127.0.0.1:5000"
		r = r.WithContext(web.WithConn(context.Background(), to{local: local}))
		rec := httptest.NewRecorder()
		if u.http.ServeHTTP(rec, r); rec.Code != want {
			t.Errorf("%s: %d, want %d", local, rec.Code, want)
		}
	}
}

func TestMayBeContainer_OnlyWhileTheEngineIsAway(t *testing.T) {
	away, here := &api.Containers{}, &api.Containers{Connected: true}
	for _, tt := range []struct {
		name   string
		engine *api.Containers
		entry  int
		guest  bool
		want   bool
	}{
		{"away", away, caller.None, true, true},
		{"connected", here, caller.None, true, false},
		{"no engine", nil, caller.None, true, false},
		{"an entry is for it", away, 0, true, false},
		{"on another machine", away, caller.None, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mayBeContainer(tt.engine, tt.entry, tt.guest); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
