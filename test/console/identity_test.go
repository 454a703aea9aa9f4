package console

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"mock-ec2-metadata/test/stsfake"
)

func TestMFA_DialogOpensAndTakesTheCode(t *testing.T) {
	d, b, console := enter(t, world{mfa: true})
	d.imds("127.0.0.1", "", "/latest/meta-data/iam/security-credentials/dev-role")
	// The page has not been touched.
	b.until("document.activeElement?.id === 'mfa-code'")
	b.shows("dialog.mfa", "arn:aws:iam::"+account+":mfa/developer")
	b.keys("1", "2", "Enter")
	b.shows("dialog.mfa .error", "6 digits")
	b.eval("void document.getElementById('mfa-code').select()", nil)
	for _, digit := range "654321" {
		b.keys(string(digit))
	}
	b.keys("Enter")
	// STS's own words.
	b.shows("dialog.mfa .error", "MultiFactorAuthentication failed with invalid MFA one time pass code")
	if got := b.text("document.activeElement.id"); got != "mfa-code" {
		t.Errorf("the focus is at %s after a wrong code", got)
	}
	b.until("document.getElementById('mfa-code').selectionEnd === 6")
	for _, digit := range "123456" {
		b.keys(string(digit))
	}
	b.keys("Enter")
	b.until("document.querySelector('dialog[open]') === null && !document.getElementById('banner').textContent.includes('Waiting')")
	b.shows("main .who", "valid")
	d.credentials("127.0.0.1", "dev-role")
	b.clean(console)
}

func TestMFA_LaterIsAskedInTheBanner(t *testing.T) {
	d, b, _ := enter(t, world{mfa: true})
	d.imds("127.0.0.1", "", "/latest/meta-data/iam/security-credentials/dev-role")
	b.until("document.querySelector('dialog.mfa') !== null")
	b.keys("Escape")
	b.until("document.querySelector('dialog[open]') === null")
	b.click("#banner [data-key=mfa]")
	b.until("document.activeElement?.id === 'mfa-code'")
}

func TestSwitch_ChangesWhoClientsAre(t *testing.T) {
	d, b, console := enter(t, world{})
	// who is the role that STS knows behind the key that a client gets, as get-caller-identity would say.
	who := func(role string) string { return d.sts.Principal(d.credentials("127.0.0.1", role).AccessKeyID) }
	if got := who("dev-role"); got != role {
		t.Fatalf("before: %s", got)
	}
	b.view("identity")
	b.click("[data-key='role admin']")
	b.click("[data-key=choose]")
	for _, r := range routes {
		b.view(r.name)
		b.shows("#banner", "Switched to the role admin")
	}
	if got := who("admin"); got != arn("admin") {
		t.Errorf("switched: %s", got)
	}
	b.view("overview")
	b.shows("main .whoami .big", "assumed-role/admin")
	if !strings.Contains(d.command("status"), "admin") {
		t.Error("the command status does not say so")
	}
	b.click("#banner [data-key=undo]")
	b.until("!document.getElementById('banner').textContent.includes('Switched')")
	if got := who("dev-role"); got != role {
		t.Errorf("undone: %s", got)
	}
	// The command takes it back, too.
	b.view("identity")
	b.click("[data-key='role web']")
	b.click("[data-key=choose]")
	b.shows("#banner", "Switched to the role web")
	d.command("console", "--reset")
	b.until("!document.getElementById('banner').textContent.includes('Switched')")
	b.clean(console)
}

func TestRenew_AsksSTSAgain(t *testing.T) {
	d, b, console := enter(t, world{})
	before := d.credentials("127.0.0.1", "dev-role")
	b.view("overview")
	b.click("[data-key=renew]")
	eventually(t, "other credentials", func() bool { return d.credentials("127.0.0.1", "dev-role").AccessKeyID != before.AccessKeyID })
	b.shows("main .who", d.credentials("127.0.0.1", "dev-role").AccessKeyID[16:])
	b.clean(console)
}

// bash runs lines, as a user who has pasted them.
func (d *daemon) bash(lines string) string {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), "bash", "-c", lines)
	cmd.Dir, cmd.Env = d.home, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.home}
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("%v\n%s\n%s", err, lines, out)
	}
	return string(out)
}

func TestCopiedLines_RunInBash(t *testing.T) {
	d, b, console := enter(t, world{})
	b.allowClipboard()
	copied := func(selector string) string {
		t.Helper()
		b.eval("navigator.clipboard.writeText('')", nil)
		b.click(selector)
		b.until("[...document.querySelectorAll('button')].some(x => x.textContent === 'Copied')")
		return b.clipboard()
	}
	mac := d.metadata("meta-data/mac")

	// Connect: an AWS client after these lines asks this daemon.
	b.view("connect?for=shell")
	lines := copied("#lines button")
	if got := d.bash(lines + "\ncurl -sf \"${AWS_EC2_METADATA_SERVICE_ENDPOINT%/}/latest/meta-data/mac\""); got != mac {
		t.Errorf("%q after\n%s", got, lines)
	}
	if b.text("document.querySelector('#lines pre').textContent") != lines {
		t.Errorf("shown and copied differ: %s", lines)
	}
	b.view("connect?for=docker")
	b.shows("#lines pre", "docker run")
	d.bash("docker() { :; }\n" + copied("#lines button"))

	// Tree.
	b.view("tree?path=%2Flatest%2Fmeta-data%2Fmac")
	b.shows("section.value h2", "meta-data/mac")
	b.eval("void [...document.querySelectorAll('section.value button')].find(x => x.textContent === 'Copy as curl').setAttribute('data-test', 'curl')", nil)
	if got := d.bash(copied("[data-test=curl]")); got != mac {
		t.Errorf("Tree: %q, not %q", got, mac)
	}

	// Requests: with what a hostile path would do to a shell.
	d.imds("127.0.0.1", "", "/latest/meta-data/mac")
	d.imds("127.0.0.1", "", "/latest/meta-data/x';touch$IFS'owned")
	b.view("requests?filter=mac")
	b.shows(".journal tbody", "/latest/meta-data/mac")
	b.click(".journal button.row")
	if got := d.bash(copied("dialog .actions button")); got != mac {
		t.Errorf("Requests: %q, not %q", got, mac)
	}
	b.keys("Escape")
	b.view("requests?filter=touch")
	b.shows(".journal tbody", "touch")
	b.click(".journal button.row")
	d.bash("curl() { command curl \"$@\"; return 0; }\n" + copied("dialog .actions button"))
	if _, err := os.Stat(d.home + "/owned"); err == nil {
		t.Error("a path of a request has run in the shell")
	}
	if n := d.status(); n.Status != "ok" {
		t.Errorf("the daemon is %s", n.Status)
	}
	if status, _ := d.imds("127.0.0.1", "", "/latest/meta-data/mac"); status != http.StatusOK {
		t.Errorf("%d", status)
	}
	b.clean(console)
}

// TestError_IsShownOncePerView is about STS's long sentence, which made the tables higher than the window.
func TestError_IsShownOncePerView(t *testing.T) {
	d, b, _ := enter(t, world{})
	d.sts.Fail(stsfake.Fault{Status: http.StatusForbidden, Code: "AccessDenied", Message: "not for developers"})
	b.view("overview")
	b.click("[data-key=renew]")
	b.shows("main .who .error", "not for developers")
	for _, view := range []string{"overview", "identity"} {
		b.view(view)
		b.shows("main", "not for developers")
		if n := b.text("document.querySelector('main').textContent.split('not for developers').length - 1"); n != "1" {
			t.Errorf("%s has the error %s times", view, n)
		}
	}
}
