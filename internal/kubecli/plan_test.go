package kubecli

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/manifest"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// startSTS serves a fake STS with a user whose key is in the profiles default and work of an isolated home.
func startSTS(t *testing.T) *stsfake.Server {
	t.Helper()
	testutil.IsolateHome(t)
	sts := stsfake.Start(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	key := sts.AddUser("developer")
	text := "aws_access_key_id = " + key.AccessKeyID + "\naws_secret_access_key = " + key.SecretAccessKey + "\n"
	testutil.Write(t, ".aws/credentials", "[default]\n"+text+"[work]\n"+text)
	return sts
}

// planFor makes the plan of a command line of up.
func planFor(t *testing.T, environ []string, args ...string) (*plan, error) {
	t.Helper()
	var u upFlags
	cmd := &cobra.Command{Use: "up"}
	cmd.Flags().String("config", "", "")
	cmd.Flags().StringArray("set", nil, "")
	cmd.SetErr(io.Discard)
	u.bind(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	if err := u.check(cmd); err != nil {
		return nil, err
	}
	p := New("test")
	p.environ = environ
	return p.plan(t.Context(), cmd, &u)
}

func mustPlan(t *testing.T, environ []string, args ...string) *plan {
	t.Helper()
	pl, err := planFor(t, environ, args...)
	if err != nil {
		t.Fatal(err)
	}
	return pl
}

func wantSet(t *testing.T, pl *plan, want ...string) {
	t.Helper()
	if !slices.Equal(pl.manifest.Set, want) {
		t.Errorf("set %q, want %q", pl.manifest.Set, want)
	}
}

func TestPlan_SettingsAreThoseOfTheFlags(t *testing.T) {
	sts := startSTS(t)
	const base = "kubernetes.base_role_arn=arn:aws:iam::123456789012:role/"
	pl := mustPlan(t, nil)
	wantSet(t, pl, "kubernetes.enabled=true", "credentials.mock=false", "credentials.source_profile=default", base)
	if n := sts.Calls("GetCallerIdentity"); n != 1 {
		t.Errorf("%d calls of GetCallerIdentity", n)
	}
	if pl.manifest.Config != manifest.Default().Config || pl.manifest.Credentials != manifest.Relay {
		t.Errorf("%q, credentials %s", pl.manifest.Config, pl.manifest.Credentials)
	}
	if len(pl.loaded.Config.Kubernetes.Rules.Namespaces) != 1 {
		t.Error("the laptop has no rules")
	}

	wantSet(t, mustPlan(t, nil, "--role", "arn:aws-cn:iam::210987654321:role/app", "--set", "aws.region=eu-west-3"),
		"kubernetes.enabled=true", "kubernetes.rules.default_role=arn:aws-cn:iam::210987654321:role/app", "credentials.mock=false",
		"credentials.source_profile=default", "kubernetes.base_role_arn=arn:aws-cn:iam::210987654321:role/", "aws.region=eu-west-3")
	wantSet(t, mustPlan(t, nil, "--credentials", "mock"), "kubernetes.enabled=true", "credentials.mock=true")
	wantSet(t, mustPlan(t, nil, "--credentials", "mount", "--mount", "/root/.aws"),
		"kubernetes.enabled=true", "credentials.mock=false", "credentials.source_profile=default")
	if n := sts.Calls("GetCallerIdentity"); n != 1 {
		t.Errorf("%d calls of GetCallerIdentity after plans that need none", n)
	}
	pl = mustPlan(t, nil, "--role", "own")
	wantSet(t, pl, "kubernetes.enabled=true", "kubernetes.rules.default_role=own", "credentials.mock=false", "credentials.source_profile=default", base)
	if pl.manifest.User != manifest.Default().User {
		t.Errorf("user %d", pl.manifest.User)
	}
}

func TestPlan_ProfileIsOfTheFlagThenTheFileThenTheEnvironment(t *testing.T) {
	startSTS(t)
	testutil.Write(t, "work.yaml", "credentials: {source_profile: work}\n")
	for _, tt := range []struct {
		environ []string
		args    []string
		want    string
	}{
		{nil, nil, "default"},
		{[]string{"AWS_DEFAULT_PROFILE=work"}, nil, "work"},
		{[]string{"AWS_DEFAULT_PROFILE=other", "AWS_PROFILE=work"}, nil, "work"},
		{[]string{"AWS_PROFILE=other"}, []string{"--config", "work.yaml"}, "work"},
		{[]string{"AWS_PROFILE=other", "MOCK_EC2_METADATA_CONFIG=work.yaml"}, nil, "work"},
		{[]string{"AWS_PROFILE=other"}, []string{"--set", "credentials.source_profile=work"}, "work"},
		{nil, []string{"--config", "work.yaml", "--profile", "default"}, "default"},
	} {
		if got := mustPlan(t, tt.environ, tt.args...).loaded.Config.Credentials.SourceProfile; got != tt.want {
			t.Errorf("%q %q: profile %q, want %q", tt.environ, tt.args, got, tt.want)
		}
	}
}

func TestPlan_ConfiguredBaseRoleWinsOverTheRolesAccount(t *testing.T) {
	startSTS(t)
	testutil.Write(t, "f.yaml", "kubernetes: {base_role_arn: 'arn:aws:iam::111111111111:role/apps/'}\n")
	pl := mustPlan(t, nil, "--config", "f.yaml", "--role", "arn:aws:iam::210987654321:role/app")
	if got := pl.loaded.Config.Kubernetes.BaseRoleARN; got != "arn:aws:iam::111111111111:role/apps/" {
		t.Error(got)
	}
}

func TestPlan_WithoutSTSSaysHowToDoWithout(t *testing.T) {
	sts := startSTS(t)
	sts.Fail(stsfake.InvalidClientTokenID)
	_, err := planFor(t, nil)
	if err == nil || !strings.HasSuffix(err.Error(), "\nup asks STS for the account of the profile, whose roles pods name; to do without, set kubernetes.base_role_arn") {
		t.Error(err)
	}
	mustPlan(t, nil, "--set", "kubernetes.base_role_arn=arn:aws:iam::123456789012:role/")
}

func TestPlan_RefusesWhatPodsCannotHave(t *testing.T) {
	testutil.IsolateHome(t)
	data := testutil.WriteTemp(t, "data", "#!/bin/sh\n")
	testutil.Write(t, "files.yaml", "ec2: {user_data_file: "+data+"}\n")
	testutil.Write(t, "user.yaml", "server: {user: nobody}\n")
	for _, tt := range []struct{ name, file, want string }{
		{"file", "files.yaml", "files.yaml: it names the file " + data + ", which the pods do not have; write its content into the configuration"},
		{"user", "user.yaml", `server.user: "nobody" is not the number of a user, who is not root: pods have no names of users`},
		{"no file", "none.yaml", "open none.yaml: no such file or directory"},
	} {
		if _, err := planFor(t, nil, "--credentials", "mock", "--config", tt.file); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
	for _, set := range []string{
		"roles.a.external_id=x1", "kubernetes.rules.namespaces={a: {allow: ['*'], external_id: x1}}", "credentials.external_id=x1",
	} {
		_, err := planFor(t, nil, "--credentials", "mock", "--set", set)
		key, _, _ := strings.Cut(set, "=")
		want := "--set " + key + ": the cluster's objects would show the external id; write it into a file for --config"
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", set, err, want)
		}
	}
	mustPlan(t, nil, "--credentials", "mock", "--set", "kubernetes.annotations.external_id=example.com/id")
}

func TestPlan_UserAndRightsAreThoseOfTheConfiguration(t *testing.T) {
	testutil.IsolateHome(t)
	o := mustPlan(t, nil, "--credentials", "mock", "--set", "server.user=1000").manifest
	if o.User != 1000 || !o.ServiceAccounts || !o.Namespaces || o.PodIdentity {
		t.Errorf("user %d, service accounts %v, namespaces %v, pod identity %v", o.User, o.ServiceAccounts, o.Namespaces, o.PodIdentity)
	}
	none := []string{"--credentials", "mock"}
	for _, key := range []string{"role", "external_id", "session_name"} {
		none = append(none, "--set", "kubernetes.annotations."+key+"=[]")
	}
	if o := mustPlan(t, nil, none...).manifest; o.ServiceAccounts || o.Namespaces {
		t.Error("without annotations the daemon may read service accounts or namespaces")
	}
	if o := mustPlan(t, nil, append(none, "--set", "kubernetes.rules.namespace_annotations=true")...).manifest; o.ServiceAccounts || !o.Namespaces {
		t.Error("with namespace_annotations it needs namespaces alone")
	}
}

func TestPlan_SecretRefusesLongLivedKeys(t *testing.T) {
	sts := startSTS(t)
	base := []string{"--credentials", "secret", "--set", "kubernetes.base_role_arn=arn:aws:iam::123456789012:role/"}
	_, err := planFor(t, nil, base...)
	if err == nil || !strings.Contains(err.Error(), "profile default has a long-lived access key") {
		t.Error(err)
	}
	pl := mustPlan(t, nil, append(base, "--profile", "work", "--allow-long-lived-keys")...)
	secrets := sts.Secrets()
	if !strings.HasPrefix(pl.secret, "[work]\n") || !strings.Contains(pl.secret, secrets[0]) {
		t.Errorf("the Secret has %d bytes, and not the profile's keys", len(pl.secret))
	}
	if text := string(manifest.YAML(pl.manifest)); strings.Contains(text, secrets[0]) {
		t.Error("an object beside the Secret has the key")
	}
}

// The laptop judges wishes by its own copy of the rules, and the daemons by theirs.
func TestPlan_LaptopAndDaemonDecideAlike(t *testing.T) {
	startSTS(t)
	pl := mustPlan(t, nil, "--profile", "work")
	inCluster, err := config.Load(config.Sources{Text: []byte(pl.manifest.Config), Set: pl.manifest.Set})
	if err != nil {
		t.Fatal(err)
	}
	pod := &caller.Subject{Via: caller.ViaAddress, Node: "node1", Pod: caller.Pod{
		UID: "u1", Namespace: "shop", Name: "cart-1", Annotations: map[string]string{"iam.amazonaws.com/role": "cart"},
	}}
	for name, l := range map[string]*config.Loaded{"laptop": pl.loaded, "daemon": inCluster} {
		spec, err := app.NewGrants(l).Spec(pod, "i-1")
		if err != nil || spec.RoleARN != "arn:aws:iam::123456789012:role/cart" || spec.Profile != "work" {
			t.Errorf("%s: %v, %v", name, spec, err)
		}
	}
}
