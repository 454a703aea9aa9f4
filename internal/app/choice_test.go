package app

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	webARN     = "arn:aws:iam::123456789012:role/web"
	webRoles   = "roles: {web: {iam_role: '" + webARN + "'}}\n"
	choicePath = "/v1/credentials/choice"
)

// startChosen starts a daemon with real credentials of myrole, and the role web to choose.
func startChosen(t *testing.T) (*controlled, *stsfake.Server) {
	t.Helper()
	sts := startSTS(t)
	sts.AddRole(roleARN)
	sts.AddRole(webARN)
	c := controlledBy(t, realConfig+webRoles)
	c.wantPrincipal(sts, "myrole")
	return c, sts
}

// issued asks for the only role that the metadata lists, and returns its name and the access key id.
func (c *controlled) issued() (role, key string) {
	c.t.Helper()
	const path = "/latest/meta-data/iam/security-credentials/"
	role = c.raw("127.0.0.1", plainGet(path, "h", "")).body
	var d struct{ AccessKeyID string }
	got := c.raw("127.0.0.1", plainGet(path+role, "h", ""))
	if err := json.Unmarshal([]byte(got.body), &d); err != nil {
		c.t.Fatalf("%v: %d %s", err, got.status, got.body)
	}
	return role, d.AccessKeyID
}

// wantPrincipal expects that what clients get is of a role, by its name and by STS's word.
func (c *controlled) wantPrincipal(sts *stsfake.Server, role string) {
	c.t.Helper()
	listed, key := c.issued()
	if got := sts.Principal(key); listed != role || got != "arn:aws:iam::123456789012:role/"+role {
		c.t.Errorf("clients get %s, which is %s, want %s", listed, got, role)
	}
}

func TestChoice_ClientsGetTheChosenRole(t *testing.T) {
	c, sts := startChosen(t)
	who := ask[api.Who](c, http.MethodPut, choicePath, `{"role": "web"}`)
	if who.Switched != "web" || who.Role != "web" || !slices.Equal(who.Roles, []string{"", "web"}) || !strings.HasPrefix(who.ARN, "arn:aws:sts::123456789012:assumed-role/web/") {
		t.Errorf("got %+v", who)
	}
	c.wantPrincipal(sts, "web")
	s := ask[api.Status](c, http.MethodGet, "/v1/status", "")
	if s.Switched != "web" || s.Role != "web" || !strings.Contains(s.Credentials.ARN, "/web/") {
		t.Errorf("/v1/status: %+v", s)
	}
	if s := c.status(t); s.Switched != "web" {
		t.Errorf("/status: %+v", s)
	}
	c.wantLog(t, `"msg":"credentials switched","role":"web","hint":"mock-ec2-metadata console --reset undoes it"`)
	calls := sts.Calls("AssumeRole")
	for _, undo := range [][2]string{{http.MethodDelete, ""}, {http.MethodPut, `{"role": ""}`}} {
		if who := ask[api.Who](c, undo[0], choicePath, undo[1]); who.Switched != "" || who.Role != "myrole" {
			t.Errorf("undone by %s: %+v", undo[0], who)
		}
		c.wantPrincipal(sts, "myrole")
		ask[api.Who](c, http.MethodPut, choicePath, `{"role": "web"}`)
		c.wantPrincipal(sts, "web")
	}
	ask[api.Who](c, http.MethodDelete, choicePath, "")
	ask[api.Who](c, http.MethodDelete, choicePath, "") // twice is once
	c.wantLog(t, `"msg":"credentials switched back"`)
	if strings.Count(c.log.String(), "switched back") != 3 {
		t.Errorf("logged %s", c.log)
	}
	if n := sts.Calls("AssumeRole") - calls; n > 4 {
		t.Errorf("%d calls of STS for 4 changes", n)
	}
}

// The keeper of the chosen role runs: it has credentials before a client asks.
func TestChoice_KeepersFollowIt(t *testing.T) {
	c, sts := startChosen(t)
	for _, role := range []string{"web", ""} {
		calls := sts.Calls("AssumeRole")
		ask[api.Who](c, http.MethodPut, choicePath, `{"role": "`+role+`"}`)
		testutil.Eventually(t, "a call of STS that no client has waited for, with "+role, func() bool { return sts.Calls("AssumeRole") > calls })
		testutil.Eventually(t, "valid credentials of "+role, func() bool { return c.Who().State == "valid" })
	}
}

func TestChoice_ReloadKeepsItUntilTheRoleIsGone(t *testing.T) {
	c, sts := startChosen(t)
	ask[api.Who](c, http.MethodPut, choicePath, `{"role": "web"}`)
	c.settings(realConfig + webRoles + "log: {access: false}\n")
	c.wantPrincipal(sts, "web")
	testutil.Write(t, "conf/config.yaml", realConfig+"roles: {nonsense\n")
	if status, text := c.call(http.MethodPost, "/v1/reload", ""); status != 422 {
		t.Errorf("%d %s", status, text)
	}
	c.wantPrincipal(sts, "web")
	c.settings(realConfig)
	c.wantPrincipal(sts, "myrole")
	c.wantLog(t, `"msg":"the chosen role is gone","role":"web","hint":"clients get the file's own credentials again"`)
	if who := ask[api.Overview](c, http.MethodGet, "/v1/status", "").Who; who.Switched != "" || !slices.Equal(who.Roles, []string{""}) {
		t.Errorf("got %+v", who)
	}
	c.settings(realConfig + webRoles) // it does not come back by itself
	c.wantPrincipal(sts, "myrole")
}

// A reload that fails after it has found the role gone must not say that clients get other credentials.
func TestChoice_FailedReloadTellsNothing(t *testing.T) {
	c, sts := startChosen(t)
	ask[api.Who](c, http.MethodPut, choicePath, `{"role": "web"}`)
	testutil.Write(t, "conf/config.yaml", realConfig+"metadata: {meta-data/iam/info/x: y}\n")
	if err := c.Reload("a test"); err == nil {
		t.Fatal("reloaded")
	}
	c.wantPrincipal(sts, "web")
	if c.log.Contains("the chosen role is gone") {
		t.Error(c.log)
	}
}

func TestChoice_RestartUndoesIt(t *testing.T) {
	c, sts := startChosen(t)
	ask[api.Who](c, http.MethodPut, choicePath, `{"role": "web"}`)
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	controlledBy(t, realConfig+webRoles).wantPrincipal(sts, "myrole")
}

// What --set says holds for the file's own credentials alone, as roles inherit it.
func TestChoice_OverridesOfTheCommandLineStay(t *testing.T) {
	sts := startSTS(t)
	sts.AddRole(roleARN)
	sts.AddRole(webARN)
	c := controlledBy(t, realConfig+webRoles, func(o *Options) { o.Config = load(t, "conf/config.yaml", "credentials.session_name=by-set") })
	for _, role := range []string{"web", ""} {
		who := ask[api.Who](c, http.MethodPut, choicePath, `{"role": "`+role+`"}`)
		if who.SessionName != "by-set" || who.Account != "123456789012" {
			t.Errorf("%q: %+v", role, who)
		}
		c.issued()
		if got := c.Who().ARN; !strings.HasSuffix(got, "/by-set") {
			t.Errorf("%q: %s", role, got)
		}
	}
}

func TestChoice_EntriesOfClientsKeepTheirs(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig+"roles: {web: {iam_role: '"+webARN+"'}, low: {iam_role: 'arn:aws:iam::123456789012:role/low'}}\n"+
		"clients: [{from: 10.1.1.1, role: low}]\nserver: {allow_clients: [10.1.1.0/24]}\n")
	ask[api.Who](c, http.MethodPut, choicePath, `{"role": "web"}`)
	for client, want := range map[string]string{"127.0.0.1": "web", "10.1.1.2": "web", "10.1.1.1": "low"} {
		if got := c.raw(client, plainGet("/latest/meta-data/iam/security-credentials/", "h", "")); got.body != want {
			t.Errorf("%s gets %s, want %s", client, got.body, want)
		}
		n := ask[api.TreeNode](c, http.MethodGet, "/v1/tree?path=meta-data/iam/security-credentials&client="+client, "")
		v := ask[api.Verdict](c, http.MethodGet, "/v1/explain?client="+client, "")
		if n.Body != want || v.Role != want {
			t.Errorf("%s: the tree has %s, explain %s, want %s", client, n.Body, v.Role, want)
		}
	}
}

func TestChoice_WrongOnesAreNamed(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, mockConfig+"roles: {b: {iam_role: '"+webARN+"'}, a: {iam_role: '"+webARN+"'}}\n")
	c.wantRefusal(http.MethodPut, choicePath, `{"role": "admin"}`, 422, "role", `role: "admin" is not one of roles; choose one of: a, b`)
	c.wantRefusal(http.MethodPut, choicePath, `{"role": "`+strings.Repeat("x", 65)+`"}`, 422, "role", `role: "`+strings.Repeat("x", 64)+`"... is not one of roles; choose one of: a, b`)
	c.wantRefusal(http.MethodPut, choicePath, `{"roel": "a"}`, 422, "", `json: unknown field "roel"`)
	c.wantRefusal(http.MethodPut, choicePath, `{}`, 422, "role", `role: is missing; write a name of roles, or "" for the file's own credentials`)
	c.wantRefusal(http.MethodPut, choicePath, `{"role": null}`, 422, "role", `role: is missing; write a name of roles, or "" for the file's own credentials`)
	c.wantRefusal(http.MethodPut, choicePath, `{"role": "a"} {}`, 422, "", "the body has more than one JSON document")
	c.wantRefusal(http.MethodPost, choicePath, "{}", 405, "", "Method Not Allowed")
	c.settings(mockConfig)
	c.wantRefusal(http.MethodPut, choicePath, `{"role": "a"}`, 422, "role", `role: "a" is not one of roles; the configuration has none; add it there`)
	if who := c.Who(); who.Switched != "" || who.Role != "myrole" {
		t.Errorf("got %+v", who)
	}
}

// Pods have roles of their own: there is nothing to choose.
func TestChoice_ClusterHasNone(t *testing.T) {
	testutil.IsolateHome(t)
	c := controlledBy(t, strings.Replace(realCluster, "source_profile: default", "mock: true", 1)+webRoles, func(o *Options) {
		o.NewCluster = func(*config.Config, func(*caller.Workload)) (Cluster, error) {
			return &pods{at: map[netip.Addr]PodState{}}, nil
		}
	})
	c.wantRefusal(http.MethodPut, choicePath, `{"role": "web"}`, 409, "", "each pod has a role of its own, or none; there are no credentials of the file's own to choose")
	if w := ask[api.Who](c, http.MethodDelete, choicePath, ""); w.Switched != "" {
		t.Errorf("got %+v", w)
	}
	const unknown = "no running container is known to have this address: 10.1.1.1"
	if got := c.raw("10.1.1.1", plainGet(aPath, "h", "")); got.status != 503 {
		t.Errorf("no pod gets %d", got.status)
	}
	v := ask[api.Verdict](c, http.MethodGet, "/v1/explain?client=10.1.1.1", "")
	if last := v.Rules[len(v.Rules)-1]; v.Allowed || v.Status != 503 || last.Name != "identity" || last.Text != unknown {
		t.Errorf("no pod: %+v", v)
	}
	if n := ask[api.TreeNode](c, http.MethodGet, "/v1/tree?client=10.1.1.1", ""); n.Status != 503 || n.Body != unknown {
		t.Errorf("no pod: %+v", n)
	}
}

func TestOverview_IsWhatStatusSays(t *testing.T) {
	c, _ := startChosen(t)
	o, s := ask[api.Overview](c, http.MethodGet, "/v1/status", ""), c.status(t)
	w := o.Who
	switch {
	case w.ARN != s.Credentials.ARN || w.ARN == "" || !w.Expiration.Equal(*s.Credentials.Expiration) || !w.LastRenewal.Equal(*s.Credentials.LastRenewal):
		t.Errorf("who is %+v, /status %+v", w, s.Credentials)
	case w.State != api.StateValid || w.Source != "sts" || w.Profile != "default" || w.Account != "123456789012" || w.SessionName != s.InstanceID || len(w.KeyEnd) != 4:
		t.Errorf("who is %+v", w)
	case w.RenewsAt == nil || !w.RenewsAt.Before(*w.Expiration) || w.RenewsAt.Before(time.Now()):
		t.Errorf("renews at %v, ends at %v", w.RenewsAt, w.Expiration)
	case o.InstanceID != s.InstanceID || o.Credentials.ARN != w.ARN || o.Config.File != "conf/config.yaml":
		t.Errorf("status is %+v", o.Status)
	case len(o.Listeners) != 1 || o.Listeners[0] != (api.Listener{Address: c.Addrs()[0].String(), URL: c.url}):
		t.Errorf("listeners are %+v", o.Listeners)
	case o.Requests != 3 || o.V2 != 0: // startWith's, and two of wantPrincipal
		t.Errorf("%d requests, %d of v2", o.Requests, o.V2)
	}
	_, key := c.issued()
	if !strings.HasSuffix(key, w.KeyEnd) {
		t.Errorf("%s does not end with %s", key, w.KeyEnd)
	}
	if _, text := c.call(http.MethodGet, "/v1/status", ""); strings.Contains(text, key) || strings.Contains(text, "credentials_id") {
		t.Errorf("a secret is in %s", text)
	}
	c.tokenOf("127.0.0.1")
	if o := ask[api.Overview](c, http.MethodGet, "/v1/status", ""); o.Requests != 6 || o.V2 != 1 {
		t.Errorf("then %d requests, %d of v2", o.Requests, o.V2)
	}
}

// A failed refresh is tried again soon, which is no renewal of valid credentials.
func TestOverview_FailedCredentialsHaveNoRenewal(t *testing.T) {
	sts := startSTS(t)
	sts.AddRole(roleARN)
	sts.Fail(stsfake.Fault{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: "later"})
	c := controlledBy(t, realConfig)
	testutil.Eventually(t, "a failure", func() bool { return c.Who().LastError != "" })
	if w := c.Who(); w.RenewsAt != nil || w.State == api.StateValid {
		t.Errorf("got %+v", w)
	}
}

func TestRenew_GetsOthersAtOnce(t *testing.T) {
	c, sts := startChosen(t)
	_, before := c.issued()
	if status, text := c.call(http.MethodPost, "/v1/credentials/renew", ""); status != http.StatusAccepted || !strings.Contains(text, `"state": "valid"`) {
		t.Errorf("%d %s", status, text)
	}
	testutil.Eventually(t, "others are there", func() bool { _, now := c.issued(); return now != before })
	if n := sts.Calls("AssumeRole"); n != 2 {
		t.Errorf("%d calls", n)
	}
	c.wantLog(t, `"msg":"renewing credentials"`)
	sts.Fail(stsfake.Fault{Status: 403, Code: "AccessDenied", Message: "<img src=x onerror=alert(1)>"})
	_, before = c.issued()
	c.call(http.MethodPost, "/v1/credentials/renew", "")
	testutil.Eventually(t, "the failure is told", func() bool { return strings.Contains(c.Who().LastError, "<img src=x onerror=alert(1)>") })
	if _, now := c.issued(); now != before {
		t.Error("clients lose what is valid")
	}
	if _, text := c.call(http.MethodGet, "/v1/status", ""); strings.ContainsAny(text, "<>") {
		t.Errorf("the JSON could end a script: %s", text)
	}
}

func TestRenew_WithoutProfileMockOrCode(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		testutil.IsolateHome(t)
		c := controlledBy(t, "ec2: {instance_id: i-00000000000000001}\ncredentials: {}\n")
		c.wantRefusal(http.MethodPost, "/v1/credentials/renew", "", 409, "", "there are no credentials to renew: the instance has no profile")
		if w := c.Who(); w.Source != "none" || w.State != api.StateNone || w.ARN != "" {
			t.Errorf("got %+v", w)
		}
	})
	t.Run("mock", func(t *testing.T) {
		testutil.IsolateHome(t)
		c := controlledBy(t, mockConfig)
		_, before := c.issued()
		if w := ask[api.Who](c, http.MethodPost, "/v1/credentials/renew", ""); w.Source != "mock" || w.State != api.StateValid {
			t.Errorf("got %+v", w)
		}
		testutil.Eventually(t, "others are there", func() bool { _, now := c.issued(); return now != before })
	})
	t.Run("MFA", func(t *testing.T) {
		sts := startSTS(t)
		sts.SetMFA("developer", "123456")
		sts.AddRole(roleARN, stsfake.MFA())
		c := controlledBy(t, mfaConfig)
		testutil.Eventually(t, "a code is wanted", func() bool { return c.MFASerial() != "" })
		calls := sts.Calls("GetSessionToken")
		if w := ask[api.Who](c, http.MethodPost, "/v1/credentials/renew", ""); w.State != api.StateMFA {
			t.Errorf("got %+v", w)
		}
		if n := sts.Calls("GetSessionToken"); n != calls {
			t.Errorf("%d calls without a code", n-calls)
		}
		c.wantRefusal(http.MethodPost, "/v1/mfa", `{"code": "000000"}`, 409, "", "STS refuses the code of the MFA device "+mfaDevice+
			" (AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.); run again, with the next code: "+
			"mock-ec2-metadata mfa CODE (in Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)")
		ask[api.MFAResult](c, http.MethodPost, "/v1/mfa", `{"code": "123456"}`)
		if w := ask[api.Who](c, http.MethodPost, "/v1/credentials/renew", ""); w.State != api.StateValid {
			t.Errorf("got %+v", w)
		}
	})
}
