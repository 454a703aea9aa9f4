package doctor

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

func TestDoctor_FollowsTheCredentials(t *testing.T) {
	const own = "credentials: {source_profile: default}\n"
	const keysWork = `ok    configuration  conf/config.yaml
ok    profile        profile "default"; searched {DIR}/.aws/config (does not exist) and {DIR}/.aws/credentials
ok    credentials    keys in {DIR}/.aws/credentials, without an expiry
`
	const network = `ok    listener       the daemon at {URL} serves i-0123456789abcdef0 with role myrole (conf/config.yaml)
ok    guard          {ADDR}: only this machine can reach that
ok    redirect       {URL} leads to the daemon
`
	// degraded is network with a daemon that has the same problem.
	degraded := func(problem string) string {
		return strings.Replace(network, "ok    listener       the daemon at {URL} serves i-0123456789abcdef0 with role myrole (conf/config.yaml)",
			"FAIL  listener       the daemon at {URL} is degraded: "+problem, 1)
	}
	const (
		missing = `profile "default" is in neither of {DIR}/.aws/config, {DIR}/.aws/credentials; create it (aws configure --profile default) or name another one in credentials.source_profile`
		wrong   = `the credentials of profile "default" are wrong or expired (InvalidClientTokenId: The security token included in the request is invalid.); renew them (aws configure --profile default, or aws sso login --profile default)`
		mute    = `STS cannot be reached: dial tcp 127.0.0.1:9: connect: connection refused; check the network, aws.region (us-east-1) and AWS_ENDPOINT_URL_STS`
		fast    = `this machine's clock is 2h0m0s ahead of STS's; set it (SignatureDoesNotMatch: Signature not yet current`
		denied  = `profile "default" may not assume arn:aws:iam::123456789012:role/myrole (AccessDenied: User: arn:aws:iam::123456789012:user/developer is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/myrole); the role must exist, its trust policy must name the caller, and the caller needs sts:AssumeRole on it; if it asks for MFA, set credentials.mfa_serial`
	)
	for _, tt := range []struct {
		name    string
		config  string
		sts     []stsfake.Option
		prepare func(t *testing.T, sts *stsfake.Server, key stsfake.Key)
		want    string
	}{
		{
			name: "all is well", config: realConfig,
			prepare: func(_ *testing.T, sts *stsfake.Server, _ stsfake.Key) { sts.AddRole(roleARN) },
			want: keysWork + `ok    identity       arn:aws:iam::123456789012:user/developer
ok    role           clients are arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0 until TIME
ok    clock          less than a minute off STS's
` + network,
		},
		{
			name: "the profile's own", config: own,
			want: keysWork + `ok    identity       arn:aws:iam::123456789012:user/developer
ok    role           no role to assume: clients are arn:aws:iam::123456789012:user/developer until TIME
ok    clock          less than a minute off STS's
` + strings.Replace(network, "role myrole", "role default", 1),
		},
		{
			name: "missing profile", config: realConfig,
			prepare: func(t *testing.T, _ *stsfake.Server, _ stsfake.Key) {
				if err := os.Remove(".aws/credentials"); err != nil {
					t.Fatal(err)
				}
			},
			want: `ok    configuration  conf/config.yaml
FAIL  profile        ` + missing + `
skip  credentials    not tried: profile failed
skip  identity       not tried: profile failed
skip  role           not tried: profile failed
skip  clock          not tried: profile failed
` + degraded(missing),
		},
		{
			name: "credential_process fails", config: realConfig,
			prepare: func(t *testing.T, _ *stsfake.Server, _ stsfake.Key) {
				testutil.Write(t, ".aws/credentials", "[default]\ncredential_process = /bin/false\n")
			},
			want: `ok    configuration  conf/config.yaml
ok    profile        profile "default"; searched {DIR}/.aws/config (does not exist) and {DIR}/.aws/credentials
FAIL  credentials    profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why
skip  identity       not tried: credentials failed
skip  role           not tried: credentials failed
skip  clock          not tried: credentials failed
` + degraded(`profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why`),
		},
		{
			name: "wrong keys", config: realConfig,
			prepare: func(t *testing.T, _ *stsfake.Server, key stsfake.Key) {
				key.AccessKeyID = "AKIAQQQQQQQQQQQQQQQQ"
				testutil.Write(t, ".aws/credentials", profile(key))
			},
			want: keysWork + `FAIL  identity       ` + wrong + `
skip  role           not tried: identity failed
skip  clock          not tried: identity failed
` + degraded(wrong),
		},
		{
			name: "denied role", config: realConfig,
			want: keysWork + `ok    identity       arn:aws:iam::123456789012:user/developer
FAIL  role           ` + denied + `
ok    clock          less than a minute off STS's
` + degraded(denied),
		},
		{
			name: "MFA", config: realConfig + "  mfa_serial: " + mfaDevice + "\n",
			want: keysWork + `ok    identity       arn:aws:iam::123456789012:user/developer
note  role           a code of the MFA device ` + mfaDevice + ` is needed, which the daemon asks for; to try one: mock-ec2-metadata check --credentials
ok    clock          less than a minute off STS's
` + degraded(`waiting for MFA: profile "default" needs a code of the device `+mfaDevice+`; run: mock-ec2-metadata mfa CODE (in Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)`),
		},
		{
			name: "clock a little wrong", config: realConfig,
			sts:     []stsfake.Option{stsfake.WithNow(func() time.Time { return time.Now().Add(2 * time.Minute) })},
			prepare: func(_ *testing.T, sts *stsfake.Server, _ stsfake.Key) { sts.AddRole(roleARN) },
			want: keysWork + `ok    identity       arn:aws:iam::123456789012:user/developer
ok    role           clients are arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0 until TIME
note  clock          this machine's clock is 2m0s behind STS's, and at five minutes AWS refuses signatures; set it (Linux: timedatectl set-ntp true)
` + network,
		},
		{
			name: "clock too wrong", config: realConfig,
			sts:     []stsfake.Option{stsfake.WithNow(func() time.Time { return time.Now().Add(-2 * time.Hour) })},
			prepare: func(_ *testing.T, sts *stsfake.Server, _ stsfake.Key) { sts.AddRole(roleARN) },
			want: keysWork + `FAIL  identity       ` + fast + `: {STAMPS})
skip  role           not tried: identity failed
skip  clock          not tried: identity failed
` + degraded(fast+": {STAMPS})"),
		},
		{
			name: "STS unreachable", config: realConfig,
			prepare: func(t *testing.T, _ *stsfake.Server, _ stsfake.Key) {
				t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9") // discard: nothing listens
			},
			want: keysWork + `FAIL  identity       ` + mute + `
skip  role           not tried: identity failed
skip  clock          not tried: identity failed
` + degraded(mute),
		},
		{
			name: "odd values", config: "ec2: {instance_type: odd}\n",
			want: `note  configuration  conf/config.yaml
note  configuration  conf/config.yaml:1: ec2.instance_type: "odd" is not an instance type as EC2 names them, e.g. t3.nano
note  profile        none: neither credentials.iam_role nor credentials.source_profile is set, so clients get no credentials; conf/sample-config.yaml shows how to set them
skip  credentials    not tried: there is no instance profile
skip  identity       not tried: there is no instance profile
skip  role           not tried: there is no instance profile
skip  clock          not tried: there is no instance profile
` + strings.Replace(network, "with role myrole", "without a role", 1),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := testutil.IsolateHome(t)
			sts := stsfake.Start(t, tt.sts...)
			t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
			key := sts.AddUser("developer")
			testutil.Write(t, filepath.Join(dir, ".aws/credentials"), profile(key))
			testutil.Write(t, "conf/config.yaml", tt.config)
			if tt.prepare != nil {
				tt.prepare(t, sts, key)
			}
			url := start(t)
			addr := host(url)
			got := consult(t, service{url: url}, addr)
			got.text = regexp.MustCompile(`current: .* min\.\)`).ReplaceAllString(got.text, "current: {STAMPS}")
			got.want(t, tt.want, "{DIR}", dir, "{URL}", url, "{ADDR}", addr)
			if strings.Contains(got.text, key.SecretAccessKey) || strings.Contains(got.text, key.AccessKeyID) {
				t.Error("the key shows")
			}
		})
	}
}

// TestDoctor_StopsWhenInterrupted ends a walk whose STS hangs.
func TestDoctor_StopsWhenInterrupted(t *testing.T) {
	testutil.IsolateHome(t)
	sts := stsfake.Start(t)
	sts.Hang()
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	testutil.Write(t, ".aws/credentials", profile(sts.AddUser("developer")))
	testutil.Write(t, "conf/config.yaml", realConfig)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for sts.Calls("GetCallerIdentity") == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	log := new(testutil.Buffer)
	opt := options(testutil.FreeAddr(t))
	opt.Log = slog.New(slog.NewTextHandler(log, nil))
	var steps []string
	failed, all, err := Run(ctx, opt, func(step string, f Finding) { steps = append(steps, string(f.Mark)+" "+step) })
	if err == nil || err.Error() != "interrupted" || failed != 0 || all != 12 {
		t.Errorf("%d of %d failed, error %v", failed, all, err)
	}
	if diff := cmp.Diff([]string{"ok configuration", "ok profile", "ok credentials"}, steps); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if log.String() != "" {
		t.Errorf("logged\n%s", log)
	}
}

func TestDoctor_LeavesRootBeforeItLooks(t *testing.T) {
	testutil.IsolateHome(t)
	opt := options(testutil.FreeAddr(t))
	opt.LeaveRoot = func(context.Context, *config.Loaded) error { return errors.New("no such user") }
	d := &doctor{opt: opt, service: service{url: "http://" + testutil.FreeAddr(t) + "/"}, machine: quietMachine(t)}
	var first Finding
	_, _, err := d.run(t.Context(), func(step string, f Finding) {
		if step == "configuration" {
			first = f
		}
	})
	if err != nil || first.Mark != Fail || first.Text != "no such user" {
		t.Errorf("%+v, %v", first, err)
	}
}

func TestFinding_LinesAreSafeForATerminal(t *testing.T) {
	got := Finding{Text: "one \x1b[31mred\r\n  two\ttabs\u202e\n"}.Lines()
	if diff := cmp.Diff([]string{"one  [31mred", "two tabs "}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
