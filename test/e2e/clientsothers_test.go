//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// place is where clients run: a network namespace with a daemon of made-up credentials, and a store that knows them.
type place struct {
	site       netns
	daemon     string // its home
	key, token string
	store      *store
	plain, tls string // ports of the store
	home       string // the client's
	env        []string
	by         []string
}

// newPlace starts a daemon that requires session tokens.
func newPlace(t *testing.T, site netns, listen string) place {
	t.Helper()
	p := place{site: site, daemon: mockHome(t, instance+requireTokens)}
	site.serve(t, p.daemon, listen)
	var issued struct{ AccessKeyID, Token string }
	const path = "/latest/meta-data/iam/security-credentials/myrole"
	document := site.output(t, nil, "sh", "-c", `token=$(curl -qfsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$0/latest/api/token") &&
		curl -qfsS -H "X-aws-ec2-metadata-token: $token" "$0$1"`, "http://"+listen, path)
	if err := json.Unmarshal([]byte(document), &issued); err != nil || issued.Token == "" {
		t.Fatalf("%v in %s", err, document)
	}
	p.key, p.token = issued.AccessKeyID, issued.Token
	return p
}

// forClient gives a client a store and a home of its own.
func (p place) forClient(t *testing.T) place {
	t.Helper()
	p.home = t.TempDir()
	p.store = &store{key: p.key, token: p.token, objects: map[string][]byte{"grid.asc": []byte(grid), "dir/file": []byte("x")}}
	p.plain = p.store.serve(t, p.site.listen(t, "127.0.0.1:0"), false)
	p.tls = p.store.serve(t, p.site.listen(t, "127.0.0.1:0"), true)
	return p
}

// grid is an object that GDAL takes for a map.
const grid = "ncols 3\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2 3\n4 5 6\n"

// run is what a client prints. It has no environment but that of the place and env, and must succeed.
func (p place) run(t *testing.T, env []string, command ...string) string {
	t.Helper()
	return p.site.output(t, slices.Concat([]string{"HOME=" + p.home}, p.env, env), append(slices.Clone(p.by), command...)...)
}

// storeClient is an unmodified client of S3 or EC2.
type storeClient struct {
	name         string
	file, debian string // what must be there, and its package
	run          func(t *testing.T, p place) string
	want         string // part of what it prints
}

var storeClients = []storeClient{
	{
		name: "s3cmd", file: "/usr/bin/s3cmd", debian: "s3cmd", want: "s3://bucket/grid.asc",
		run: func(t *testing.T, p place) string {
			testutil.Write(t, filepath.Join(p.home, ".s3cfg"), fmt.Sprintf(
				"[default]\nhost_base = 127.0.0.1:%[1]s\nhost_bucket = 127.0.0.1:%[1]s\nuse_https = False\nbucket_location = %[2]s\n", p.plain, region))
			return p.run(t, nil, "s3cmd", "ls", "s3://"+bucket)
		},
	},
	{
		name: "pgBackRest", file: "/usr/bin/pgbackrest", debian: "pgbackrest", want: "grid.asc",
		run: func(t *testing.T, p place) string {
			return p.run(t, nil, "pgbackrest", "repo-ls", "--config="+os.DevNull, "--repo1-type=s3", "--repo1-s3-key-type=auto",
				"--repo1-s3-bucket="+bucket, "--repo1-s3-endpoint=127.0.0.1", "--repo1-s3-region="+region, "--repo1-s3-uri-style=path",
				"--repo1-storage-port="+p.tls, "--no-repo1-storage-verify-tls", "--repo1-path=/", "--log-level-file=off")
		},
	},
	{
		name: "restic", file: "/usr/bin/restic", debian: "restic", want: "created restic repository",
		run: func(t *testing.T, p place) string {
			return p.run(t, []string{"RESTIC_PASSWORD=x", "AWS_DEFAULT_REGION=" + region},
				"restic", "--no-cache", "-r", "s3:http://127.0.0.1:"+p.plain+"/"+bucket+"/backup", "init")
		},
	},
	{
		name: "rclone", file: "/usr/bin/rclone", debian: "rclone", want: "grid.asc",
		run: func(t *testing.T, p place) string {
			return p.run(t, nil, "rclone", "--config="+os.DevNull, "lsf",
				":s3,env_auth=true,provider=Other,region="+region+",endpoint='http://127.0.0.1:"+p.plain+"':"+bucket)
		},
	},
	{
		name: "GDAL", file: "/usr/bin/gdalinfo", debian: "gdal-bin", want: "Size is 3, 2",
		run: func(t *testing.T, p place) string {
			return p.run(t, []string{
				"AWS_S3_ENDPOINT=127.0.0.1:" + p.plain, "AWS_HTTPS=NO", "AWS_VIRTUAL_HOSTING=FALSE", "AWS_REGION=" + region,
				"CPL_AWS_AUTODETECT_EC2=NO", // the test's hardware is not Amazon's
			}, "gdalinfo", "/vsis3/"+bucket+"/grid.asc")
		},
	},
	{
		name: "promtool", file: "/usr/bin/promtool", debian: "prometheus", want: `"__meta_ec2_instance_id": "` + instanceID + `"`,
		run: func(t *testing.T, p place) string {
			config := testutil.WriteTemp(t, "prometheus.yml", fmt.Sprintf(`scrape_configs:
  - job_name: instances
    ec2_sd_configs: [{endpoint: "http://127.0.0.1:%s"}]
`, p.plain)) // the region is the instance's
			return p.run(t, nil, "promtool", "check", "service-discovery", "--timeout=3s", config, "instances")
		},
	},
	{
		name: "minio-go", want: grid,
		run: func(t *testing.T, p place) string {
			command := buildClient(t, "go-others")
			return p.run(t, nil, append(command, "minio-go", "127.0.0.1:"+p.plain, region, bucket, "grid.asc")...)
		},
	},
}

// signs runs the client, whose requests must have the role's credentials.
func (c storeClient) signs(t *testing.T, p place) {
	t.Helper()
	if c.file != "" {
		needFile(t, c.file, c.debian)
	}
	if got := c.run(t, p); !strings.Contains(got, c.want) {
		t.Errorf("printed %q, want %q in it", got, c.want)
	}
	if p.store.signed(t) == 0 {
		t.Error("no request with the role's credentials")
	}
}

// TestOtherClients_SignWithTheRolesCredentials runs clients at 169.254.169.254, without any setting for the metadata service.
func TestOtherClients_SignWithTheRolesCredentials(t *testing.T) {
	p := newPlace(t, newSite(t, serviceIPv4), listenIPv4)
	for _, c := range storeClients {
		t.Run(c.name, func(t *testing.T) { c.signs(t, p.forClient(t)) })
	}
}

// TestOtherClients_FollowTheProxyOfExec runs clients with a built-in 169.254.169.254, to which nothing leads, by exec --proxy.
func TestOtherClients_FollowTheProxyOfExec(t *testing.T) {
	const listen = "127.0.0.1:5000"
	needTools(t)
	p := newPlace(t, newNamespace(t, "proxy"), listen)
	p.by = []string{"env", "-C", p.daemon, buildDaemon(t), "exec", "--proxy", "--listen", listen, "--"}
	for _, c := range storeClients {
		if slices.Contains([]string{"restic", "minio-go", "GDAL", "rclone"}, c.name) {
			t.Run(c.name, func(t *testing.T) { c.signs(t, p.forClient(t)) })
		}
	}
	t.Run("Facter", func(t *testing.T) { factsOf(t, p.forClient(t)) })
}

// TestOtherClients_LibrariesTakeTheRolesCredentials prints the credentials of libraries whose own services have no stand-in here.
func TestOtherClients_LibrariesTakeTheRolesCredentials(t *testing.T) {
	javaScript, golang := installJavaScript(t, "js-others"), buildClient(t, "go-others")
	p := newPlace(t, newSite(t, serviceIPv4), listenIPv4).forClient(t)
	for library, command := range map[string][]string{"google-auth-library": javaScript, "mongodb": javaScript, "mongo-driver": golang} {
		t.Run(library, func(t *testing.T) {
			var got struct {
				Region      string
				Credentials []string
			}
			printed := p.run(t, nil, append(slices.Clone(command), library)...)
			if err := json.Unmarshal([]byte(printed), &got); err != nil {
				t.Fatalf("%v in %s", err, printed)
			}
			if want := []string{p.key, p.token}; !slices.Equal(got.Credentials, want) {
				t.Errorf("credentials are %q, want %q", got.Credentials, want)
			}
			if got.Region != region && library == "google-auth-library" {
				t.Errorf("region is %q, want %s", got.Region, region)
			}
		})
	}
}

// TestOtherClients_FacterReadsTheInstance asks for the facts ec2_metadata and ec2_userdata by their resolver: facter itself would
// first look for the hardware of a virtual machine.
func TestOtherClients_FacterReadsTheInstance(t *testing.T) {
	factsOf(t, newPlace(t, newSite(t, serviceIPv4), listenIPv4).forClient(t))
}

func factsOf(t *testing.T, p place) {
	t.Helper()
	needFile(t, "/usr/bin/facter", "facter")
	printed := p.run(t, nil, "ruby", "-rfacter", "-rjson", "-e", `
ec2 = Facter::Resolvers::Ec2
puts JSON.generate({ metadata: ec2.resolve(:metadata), userdata: ec2.resolve(:userdata) })`)
	var facts struct {
		Metadata map[string]any
		Userdata string
	}
	if err := json.Unmarshal([]byte(printed), &facts); err != nil {
		t.Fatalf("%v in %s", err, printed)
	}
	for name, want := range map[string]string{"instance-id": instanceID, "instance-type": "m5.large", "local-ipv4": "10.20.1.10", "mac": mac0} {
		if facts.Metadata[name] != want {
			t.Errorf("%s is %v, want %s", name, facts.Metadata[name], want)
		}
	}
	if want := strings.TrimSpace(userData); facts.Userdata != want { // Facter strips them
		t.Errorf("user data are %q, want %q", facts.Userdata, want)
	}
}
