package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// profileOf returns a reader that expects to be asked for a profile and says a region and what else is in text.
func profileOf(region string) func(profile, user string) Profile {
	return func(profile, _ string) Profile {
		if profile == "" {
			profile = "default"
		}
		return Profile{From: "profile " + profile + " (~/.aws/config)", Region: region}
	}
}

// loadPlace loads the content of a file f.yaml with a profile of this region and these variables.
func loadPlace(content, region string, environ ...string) (*Loaded, error) {
	return load("f.yaml", []byte(content), Sources{Environ: environ, Profile: profileOf(region)}, "linux")
}

const (
	role        = "credentials: {iam_role: 'arn:aws:iam::222222222222:role/r'}\n"
	govRole     = "credentials: {iam_role: 'arn:aws-us-gov:iam::222222222222:role/r'}\n"
	cnRole      = "credentials: {iam_role: 'arn:aws-cn:iam::222222222222:role/r', source_profile: work}\n"
	ownWork     = "credentials: {source_profile: work}\n"
	mockGovRole = "credentials: {mock: true, iam_role: 'arn:aws-us-gov:iam::222222222222:role/r'}\n"
)

// placeCase is a configuration, and the region that a profile and variables name.
type placeCase struct {
	name    string
	content string
	profile string
	environ []string
}

func (c placeCase) load() (*Loaded, error) { return loadPlace(c.content, c.profile, c.environ...) }

func TestRegion_IsTheFirstThatFitsTheRole(t *testing.T) {
	usual := []string{"AWS_REGION=eu-west-2", "AWS_DEFAULT_REGION=eu-west-3"}
	for _, tt := range []struct {
		placeCase
		region, from string
	}{
		{placeCase{"aws.region", role + "aws: {region: eu-central-1}", "eu-west-1", usual}, "eu-central-1", "f.yaml:2"},
		{placeCase{"the zone", role + "aws: {availability_zone: eu-central-1b}", "eu-west-1", usual}, "eu-central-1", "aws.availability_zone"},
		{placeCase{"a local zone", "aws: {availability_zone: us-west-2-lax-1a}", "", usual}, "us-west-2", "aws.availability_zone"},
		{placeCase{"a wavelength zone", "aws: {availability_zone: us-east-1-wl1-bos-wlz-1}", "", usual}, "us-east-1", "aws.availability_zone"},
		{placeCase{"a zone of another partition", govRole + "aws: {availability_zone: us-gov-east-1a}", "us-gov-west-1", nil}, "us-gov-east-1", "aws.availability_zone"},
		{placeCase{"the profile in use", role, "eu-west-1", usual}, "eu-west-1", "profile default (~/.aws/config)"},
		{placeCase{"the configured profile", cnRole, "cn-northwest-1", usual}, "cn-northwest-1", "profile work (~/.aws/config)"},
		{placeCase{"the profile without a role", ownWork, "us-gov-west-1", usual}, "us-gov-west-1", "profile work (~/.aws/config)"},
		{placeCase{"AWS_REGION", role, "", usual}, "eu-west-2", "AWS_REGION"},
		{placeCase{"AWS_REGION without a profile in use", "", "eu-west-1", usual}, "eu-west-2", "AWS_REGION"},
		{placeCase{"AWS_REGION for made-up credentials", "credentials: {mock: true}", "eu-west-1", usual}, "eu-west-2", "AWS_REGION"},
		{placeCase{"the last AWS_REGION", "", "", []string{"AWS_REGION=eu-west-1", "AWS_REGION=eu-west-2"}}, "eu-west-2", "AWS_REGION"},
		{placeCase{"AWS_DEFAULT_REGION", role, "", usual[1:]}, "eu-west-3", "AWS_DEFAULT_REGION"},
		{placeCase{"AWS_DEFAULT_REGION, AWS_REGION is empty", role, "", []string{"AWS_REGION=", usual[1]}}, "eu-west-3", "AWS_DEFAULT_REGION"},
		{placeCase{"AWS_REGION, the profile's does not fit", govRole, "us-east-1", []string{"AWS_REGION=us-gov-east-1"}}, "us-gov-east-1", "AWS_REGION"},
		{placeCase{"AWS_DEFAULT_REGION, others do not fit", govRole, "us-east-1", []string{"AWS_REGION=cn-north-1", "AWS_DEFAULT_REGION=us-gov-west-1"}}, "us-gov-west-1", "AWS_DEFAULT_REGION"},
		{placeCase{"made-up credentials", mockGovRole, "us-gov-east-1", []string{"AWS_REGION=us-gov-west-1"}}, "us-gov-west-1", "AWS_REGION"},
		{placeCase{"aws.partition", "aws: {partition: aws-cn}", "", []string{"AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=cn-north-1"}}, "cn-north-1", "AWS_DEFAULT_REGION"},
		{placeCase{"the sovereign cloud", "credentials: {iam_role: 'arn:aws-eusc:iam::222222222222:role/r'}", "eusc-de-east-1", nil}, "eusc-de-east-1", "profile default (~/.aws/config)"},
		{placeCase{"an isolated partition, not its neighbour", "credentials: {iam_role: 'arn:aws-iso-b:iam::222222222222:role/r'}", "us-iso-east-1", []string{"AWS_REGION=us-isob-east-1"}}, "us-isob-east-1", "AWS_REGION"},
		{placeCase{"the default", role, "", nil}, "us-east-1", "default"},
		{placeCase{"the default without a role", "", "", nil}, "us-east-1", "default"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := tt.load()
			must(t, err)
			if got, from := l.Config.AWS.Region, l.scope.origin("aws.region").String(); got != tt.region || from != tt.from {
				t.Errorf("got %s from %s, want %s from %s", got, from, tt.region, tt.from)
			}
			if !strings.HasPrefix(l.Config.AWS.AvailabilityZone, tt.region) {
				t.Errorf("zone %s", l.Config.AWS.AvailabilityZone)
			}
			if len(l.Warnings) > 0 {
				t.Errorf("warnings %q", l.Warnings)
			}
		})
	}
}

func TestRegion_IsNoDefaultInAnotherPartition(t *testing.T) {
	const all = "aws, aws-cn, aws-eusc, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f, aws-us-gov; correct it, or set aws.region"
	of := func(partition string) string {
		return "credentials: {iam_role: 'arn:" + partition + ":iam::222222222222:role/r'}"
	}
	for _, tt := range []struct {
		placeCase
		want string
	}{
		{
			placeCase{"GovCloud", govRole, "", nil},
			"f.yaml:1: credentials.iam_role: the role is of partition aws-us-gov, but nothing names a region of it; set aws.region to us-gov-east-1 or us-gov-west-1",
		},
		{
			placeCase{"China", cnRole, "", nil},
			"f.yaml:1: credentials.iam_role: the role is of partition aws-cn, but nothing names a region of it; set aws.region to cn-north-1 or cn-northwest-1",
		},
		{
			placeCase{"aws-iso", of("aws-iso"), "", nil},
			"f.yaml:1: credentials.iam_role: the role is of partition aws-iso, but nothing names a region of it; set aws.region to us-iso-east-1 or us-iso-west-1",
		},
		{
			placeCase{"aws-iso-b", of("aws-iso-b"), "", nil},
			"f.yaml:1: credentials.iam_role: the role is of partition aws-iso-b, but nothing names a region of it; set aws.region to us-isob-east-1 or us-isob-west-1",
		},
		{
			placeCase{"aws-iso-e", of("aws-iso-e"), "", nil},
			"f.yaml:1: credentials.iam_role: the role is of partition aws-iso-e, but nothing names a region of it; set aws.region to eu-isoe-west-1",
		},
		{
			placeCase{"aws-iso-f", of("aws-iso-f"), "", nil},
			"f.yaml:1: credentials.iam_role: the role is of partition aws-iso-f, but nothing names a region of it; set aws.region to us-isof-east-1 or us-isof-south-1",
		},
		{
			placeCase{"aws-eusc", of("aws-eusc"), "", nil},
			"f.yaml:1: credentials.iam_role: the role is of partition aws-eusc, but nothing names a region of it; set aws.region to eusc-de-east-1",
		},
		{
			placeCase{"regions of other partitions", cnRole, "us-east-1", []string{"AWS_REGION=us-gov-west-1"}},
			"f.yaml:1: credentials.iam_role: the role is of partition aws-cn, but nothing names a region of it " +
				"(profile work (~/.aws/config) has us-east-1, of partition aws; AWS_REGION has us-gov-west-1, of partition aws-us-gov); set aws.region to cn-north-1 or cn-northwest-1",
		},
		{
			placeCase{"made-up credentials, whose profile is not read", mockGovRole, "us-gov-west-1", nil},
			"f.yaml:1: credentials.iam_role: the role is of partition aws-us-gov, but nothing names a region of it; set aws.region to us-gov-east-1 or us-gov-west-1",
		},
		{
			placeCase{"aws.partition", "aws: {partition: aws-us-gov}", "", nil},
			"f.yaml:1: aws.partition: this is partition aws-us-gov, but nothing names a region of it; set aws.region to us-gov-east-1 or us-gov-west-1",
		},
		{
			placeCase{"an unknown partition", of("aws-gov"), "us-gov-west-1", nil},
			"f.yaml:1: credentials.iam_role: the role is of partition aws-gov, which is none of " +
				strings.Replace(all, ";", " (profile default (~/.aws/config) has us-gov-west-1, of partition aws-us-gov);", 1),
		},
		{
			placeCase{"capitals", of("AWS-US-GOV"), "", nil},
			`f.yaml:1: credentials.iam_role: "arn:AWS-US-GOV:iam::222222222222:role/r" is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME`,
		},
		{
			placeCase{"a wrong zone, which alone is reported", govRole + "aws: {availability_zone: us-gov-west-1}", "", nil},
			`f.yaml:2: aws.availability_zone: "us-gov-west-1" is not an availability zone; write e.g. us-east-1a`,
		},
		{
			placeCase{"a wrong region, which alone is reported", govRole + "aws: {region: us-gov-west}", "", nil},
			`f.yaml:2: aws.region: "us-gov-west" is not a region; write e.g. us-east-1`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.load()
			expectError(t, err, tt.want)
		})
	}
}

func TestRegion_OfAPartitionThatOnlyTheProfileTells(t *testing.T) {
	const from = "profile work (~/.aws/config)"
	for _, tt := range []struct {
		name    string
		profile Profile
		region  string
		want    string // error
	}{
		{"a role", Profile{From: from, RoleARN: "arn:aws-cn:iam::1:role/r"}, "", "f.yaml:1: credentials.source_profile: " + from +
			" is of partition aws-cn, but nothing names a region of it (AWS_REGION has eu-west-1, of partition aws); set aws.region to cn-north-1 or cn-northwest-1"},
		{"a region of SSO", Profile{From: from, SSORegion: "us-gov-west-1"}, "", "f.yaml:1: credentials.source_profile: " + from +
			" is of partition aws-us-gov, but nothing names a region of it (AWS_REGION has eu-west-1, of partition aws); set aws.region to us-gov-east-1 or us-gov-west-1"},
		{"a role and a region", Profile{From: from, RoleARN: "arn:aws-cn:iam::1:role/r", Region: "cn-north-1"}, "cn-north-1", ""},
		{"a role of the standard partition", Profile{From: from, RoleARN: "arn:aws:iam::1:role/r"}, "eu-west-1", ""},
		{"nothing", Profile{From: from}, "eu-west-1", ""},
		{"a role that is no ARN", Profile{From: from, RoleARN: `"arn:aws-cn:iam::1:role/r"`}, "eu-west-1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := load("f.yaml", []byte(ownWork), Sources{
				Environ: []string{"AWS_REGION=eu-west-1"}, Profile: func(string, string) Profile { return tt.profile },
			}, "linux")
			if tt.want != "" {
				expectError(t, err, tt.want)
				return
			}
			must(t, err)
			if got := l.Config.AWS.Region; got != tt.region {
				t.Errorf("got %s, want %s", got, tt.region)
			}
		})
	}
}

func TestRegion_WarnsOfNamesItCannotUse(t *testing.T) {
	for _, tt := range []struct {
		placeCase
		region string
		want   string
	}{
		{
			placeCase{"no region", role, `"eu-west-1"`, []string{"AWS_REGION=EU-WEST-1", "AWS_DEFAULT_REGION=aws-global"}},
			"us-east-1",
			"profile default (~/.aws/config): aws.region: not used: \"\\\"eu-west-1\\\"\" is not a region; write e.g. us-east-1\n" +
				"AWS_REGION: aws.region: not used: \"EU-WEST-1\" is not a region; write e.g. us-east-1\n" +
				"AWS_DEFAULT_REGION: aws.region: not used: \"aws-global\" is not a region; write e.g. us-east-1",
		},
		{
			placeCase{"no region, and one", govRole, "nowhere", []string{"AWS_REGION=us-gov-west-1"}},
			"us-gov-west-1",
			`profile default (~/.aws/config): aws.region: not used: "nowhere" is not a region; write e.g. us-east-1`,
		},
		{
			placeCase{"another partition's", role, "us-gov-west-1", nil},
			"us-east-1",
			"profile default (~/.aws/config): aws.region: not used: us-gov-west-1 is in partition aws-us-gov, and the role is of partition aws",
		},
		{
			placeCase{"role and zone of two partitions", govRole + "aws: {availability_zone: us-west-2-lax-1a}", "", nil},
			"us-west-2",
			"f.yaml:1: credentials.iam_role: the role is of partition aws-us-gov, but aws.availability_zone us-west-2-lax-1a is in aws",
		},
		{
			placeCase{"role and region of two partitions", govRole + "aws: {region: us-east-1}", "us-gov-west-1", nil},
			"us-east-1",
			"f.yaml:1: credentials.iam_role: the role is of partition aws-us-gov, but aws.region us-east-1 is in aws",
		},
		{
			placeCase{"aws.partition and a region of another", "aws: {partition: aws}", "", []string{"AWS_REGION=cn-north-1"}},
			"us-east-1",
			"AWS_REGION: aws.region: not used: cn-north-1 is in partition aws-cn, and this is partition aws",
		},
		{
			placeCase{"an unknown aws.partition", "aws: {partition: aws-x}", "", []string{"AWS_REGION=eu-west-1"}},
			"eu-west-1",
			"f.yaml:1: aws.partition: aws-x is not the partition of aws.region eu-west-1, which is in aws",
		},
		{
			placeCase{"role and aws.partition", role + "aws: {partition: aws-cn}", "", []string{"AWS_REGION=eu-west-1"}},
			"eu-west-1",
			"f.yaml:2: aws.partition: aws-cn is not the partition of aws.region eu-west-1, which is in aws",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := tt.load()
			must(t, err)
			if diff := cmp.Diff(tt.want, strings.Join(l.Warnings, "\n")); diff != "" || l.Config.AWS.Region != tt.region {
				t.Errorf("region %s, warnings (-want +got):\n%s", l.Config.AWS.Region, diff)
			}
		})
	}
}

func TestRegion_ReadsTheProfileOnlyIfItMakesTheCalls(t *testing.T) {
	for content, want := range map[string]string{
		"":                          "",
		"credentials: {mock: true}": "",
		"credentials: {mock: true, source_profile: work}": "",
		role + "aws: {region: eu-west-1}":                 "",
		role + "aws: {availability_zone: eu-west-1a}":     "",
		ownWork: "work for ",
		cnRole + "aws: {}\nserver: {user: alice}": "work for alice",
		role: " for ",
	} {
		t.Run(content, func(t *testing.T) {
			asked := ""
			_, err := load("f.yaml", []byte(content), Sources{Profile: func(profile, user string) Profile {
				asked += profile + " for " + user
				return Profile{Region: "cn-north-1"}
			}}, "linux")
			if err != nil || asked != want {
				t.Errorf("asked for %q, want %q; %v", asked, want, err)
			}
		})
	}
}

func TestRegion_FollowsTheProfileAtAReload(t *testing.T) {
	t.Chdir(t.TempDir())
	region := "us-gov-east-1"
	src := Sources{Set: []string{"credentials.iam_role=arn:aws-us-gov:iam::222222222222:role/r", "credentials.mock=false"}}
	src.Profile = func(string, string) Profile {
		return Profile{From: "profile default (~/.aws/config)", Region: region}
	}
	l, err := Load(src)
	must(t, err)
	region = "us-gov-west-1"
	if l, err = l.Reload(); err != nil || l.Config.AWS.Region != region {
		t.Fatalf("got %+v, %v", l, err)
	}
	region = ""
	expectReloadError(t, l, "--set credentials.iam_role: the role is of partition aws-us-gov, but nothing names a region of it; set aws.region to us-gov-east-1 or us-gov-west-1")
}

func TestProfileState_TellsWhetherTheRegionMayChange(t *testing.T) {
	was := Profile{Found: true, From: "profile default (~/.aws/config)", Region: "eu-west-1"}
	type state struct{ readable, changed bool }
	for _, tt := range []struct {
		name, content string
		now           Profile
		want          state
	}{
		{name: "unchanged", content: role, now: was, want: state{true, false}},
		{name: "other region", content: role, now: Profile{Found: true, From: was.From, Region: "eu-west-3"}, want: state{true, true}},
		{name: "no region", content: role, now: Profile{Found: true, From: was.From}, want: state{true, true}},
		{name: "other partition", content: ownWork, now: Profile{Found: true, Region: was.Region, SSORegion: "cn-north-1"}, want: state{true, true}},
		{name: "other file", content: role, now: Profile{Found: true, From: "profile default (~/.aws/credentials)", Region: was.Region}, want: state{true, false}},
		{name: "not readable", content: role, now: Profile{From: "profile default ()"}},
		{name: "aws.region", content: role + "aws: {region: eu-west-2}", now: Profile{Found: true}},
		{name: "zone", content: role + "aws: {availability_zone: eu-west-2a}", now: Profile{Found: true}},
		{name: "no profile in use", content: "credentials: {mock: true}", now: Profile{Found: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			says := was
			l, err := load("f.yaml", []byte(tt.content), Sources{Profile: func(string, string) Profile { return says }}, "linux")
			must(t, err)
			says = tt.now
			readable, changed := l.ProfileState()
			if got := (state{readable, changed}); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestYAML_NamesTheOriginOfTheRegion(t *testing.T) {
	for _, tt := range []struct {
		placeCase
		want string
	}{
		{placeCase{"a profile", cnRole, "cn-north-1", nil}, "\n  region: cn-north-1 # profile work (~/.aws/config)\n  availability_zone: cn-north-1a # default\n"},
		{placeCase{"a variable", "", "", []string{"AWS_REGION=eu-west-1"}}, "\n  region: eu-west-1 # AWS_REGION\n"},
		{placeCase{"the zone", "aws: {availability_zone: eu-west-1c}", "", nil}, "\n  region: eu-west-1 # aws.availability_zone\n  availability_zone: eu-west-1c # f.yaml:1\n"},
		{placeCase{"nothing", "", "", nil}, "\n  region: us-east-1 # default\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := tt.load()
			must(t, err)
			if !strings.Contains(string(l.YAML()), tt.want) {
				t.Errorf("no %q in\n%s", tt.want, l.YAML())
			}
		})
	}
}
