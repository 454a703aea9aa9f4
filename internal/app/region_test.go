package app

import (
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	awsprofile "mock-ec2-metadata/internal/profile"
	"mock-ec2-metadata/internal/testutil"
)

const inIreland = "[default]\nregion = eu-west-1\n"

// readPlace reads a profile for the region as the command does.
func readPlace(name, _ string) config.Profile {
	p := awsprofile.ReadPlace(name, awsprofile.Home())
	return config.Profile{Found: p.File != "", From: p.File, Region: p.Region, RoleARN: p.RoleARN, SSORegion: p.SSORegion}
}

// startPlaced runs a daemon whose region may be the profile's, with variables and further keys.
func startPlaced(t *testing.T, environ []string, set ...string) *daemon {
	t.Helper()
	configure(t, "default")
	loaded, err := config.Load(config.Sources{Environ: environ, Set: append(set, "log.level=debug"), Profile: readPlace})
	if err != nil {
		t.Fatal(err)
	}
	return startWith(t, options(loaded))
}

// region is what clients get.
func (d *daemon) region(t testing.TB) string {
	t.Helper()
	_, body := d.get(t, "latest/meta-data/placement/region")
	return body
}

// works reports whether clients get credentials.
func (d *daemon) works(t testing.TB) bool {
	t.Helper()
	code, body := d.get(t, rolePath)
	return code == http.StatusOK && strings.Contains(body, `"Code" : "Success"`)
}

func TestRegion_FollowsAnEditOfTheProfile(t *testing.T) {
	for _, tt := range []struct {
		name    string
		before  string // content of ~/.aws/config; "": missing
		environ []string
		was     string
		after   string
		want    string
	}{
		{name: "missing file", was: "us-east-1", after: inIreland, want: "eu-west-1"},
		{name: "syntax error", before: inIreland + "junk\n", was: "us-east-1", after: inIreland, want: "eu-west-1"},
		{name: "other region", before: inIreland, was: "eu-west-1", after: "[default]\nregion = eu-west-3\n", want: "eu-west-3"},
		{name: "removed region", before: inIreland, was: "eu-west-1", after: "[default]\noutput = json\n", want: "us-east-1"},
		{name: "comes before AWS_REGION", environ: []string{"AWS_REGION=sa-east-1"}, was: "sa-east-1", after: inIreland, want: "eu-west-1"},
		{name: "other partition than the role's", before: inIreland, was: "eu-west-1", after: "[default]\nregion = cn-north-1\n", want: "us-east-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts := startAWS(t)
			if tt.before != "" {
				testutil.Write(t, ".aws/config", tt.before)
			}
			d := startPlaced(t, tt.environ)
			if got := d.region(t); got != tt.was {
				t.Fatalf("region %s at the start, want %s", got, tt.was)
			}
			testutil.Write(t, ".aws/credentials", profile(sts.AddUser("developer")))
			testutil.Write(t, ".aws/config", tt.after)
			testutil.Eventually(t, "the profile's region is in use", func() bool { return d.region(t) == tt.want && d.works(t) })
			if got := d.State().Specs[0].Region; got != tt.want {
				t.Errorf("calls STS of %s", got)
			}
			d.wantLog(t, `"msg":"configuration reloaded","why":"a profile file has changed"`)
		})
	}
}

func TestRegion_OtherEditsCauseNoReload(t *testing.T) {
	for _, tt := range []struct {
		name          string
		set           []string
		file, content string
	}{
		{name: "syntax error", file: ".aws/config", content: "[default]\nregion = eu-west-3\njunk\n"},
		{name: "profile that is removed", file: ".aws/config", content: "[profile other]\nregion = eu-west-3\n"},
		{name: "another profile", file: ".aws/config", content: inIreland + "[profile other]\nregion = eu-west-3\n"},
		{name: "another key", file: ".aws/config", content: inIreland + "output = json\n"},
		{name: "refreshed SSO token", file: ".aws/sso/cache/token.json", content: "{}"},
		{name: "aws.region", set: []string{"aws.region=eu-west-2"}, file: ".aws/config", content: "[default]\nregion = eu-west-3\n"},
		{name: "zone", set: []string{"aws.availability_zone=eu-west-2a"}, file: ".aws/config", content: "[default]\nregion = eu-west-3\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts := startAWS(t)
			testutil.Write(t, ".aws/credentials", profile(sts.AddUser("developer")))
			testutil.Write(t, ".aws/config", inIreland)
			d := startPlaced(t, nil, tt.set...)
			testutil.Eventually(t, "there are credentials", func() bool { return d.works(t) })
			if tt.name == "profile that is removed" {
				testutil.Write(t, ".aws/credentials", "")
				d.credentialsChanged()
			}
			before := d.State()
			testutil.Write(t, tt.file, tt.content)
			d.credentialsChanged()
			if d.State() != before || !d.works(t) {
				t.Errorf("region %s, credentials: %v", d.region(t), d.works(t))
			}
		})
	}
}

func TestRegion_FixedProfileEndsTheErrorOfAReload(t *testing.T) {
	startAWS(t)
	testutil.Write(t, ".aws/config", "[default]\nregion = us-gov-west-1\n")
	d := startPlaced(t, nil, "credentials.iam_role=arn:aws-us-gov:iam::123456789012:role/r")
	testutil.Write(t, ".aws/config", inIreland)
	d.wantConfigError(t, "--set credentials.iam_role: the role is of partition aws-us-gov, but nothing names a region of it")
	testutil.Write(t, ".aws/config", "[default]\nregion = us-gov-west-1\n")
	d.wantReloaded(t, "the region stays", func(api.Status) bool { return d.region(t) == "us-gov-west-1" })
}
