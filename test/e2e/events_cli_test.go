//go:build e2e && linux

package e2e

import (
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/test/stsfake"
)

// keyUser is a client that calls STS with the credentials of the metadata service.
var keyUsers = map[string]func(t *testing.T, metadata, stsURL string) error{
	"aws-cli": func(t *testing.T, metadata, stsURL string) error {
		_, err := clients["aws-cli"](t, metadata, stsURL)
		return err
	},
	"boto3": func(t *testing.T, metadata, stsURL string) error {
		_, err := client(t, clean(t, metadata), python, "-c", `
import boto3, sys
boto3.client("sts", endpoint_url=sys.argv[1], region_name=sys.argv[2]).get_caller_identity()
`, stsURL, region)
		return err
	},
}

// simulatedRole starts a daemon with a role of the fake STS.
func simulatedRole(t *testing.T) (d *local, s simulated, fake *stsfake.Server) {
	t.Helper()
	needClients(t)
	fake = stsfake.Start(t)
	d = startLocal(t, newHome(t, fake, ""), fake.URL())
	d.waitFor(t, `"msg":"got credentials"`)
	return d, simulate(t, d), fake
}

// keyOf is the access key with which a client signs.
func keyOf(t *testing.T, d *local, fake *stsfake.Server, use func(t *testing.T, metadata, stsURL string) error) string {
	t.Helper()
	if err := use(t, d.url, fake.URL()); err != nil {
		t.Fatal(err)
	}
	all := fake.Requests()
	last := all[len(all)-1]
	if last.Action != "GetCallerIdentity" || last.CallerARN != sessionARN {
		t.Fatalf("the last call of STS is %s by %s", last.Action, last.CallerARN)
	}
	return last.AccessKeyID
}

// TestEvents_ClientsSeeRotatedCredentials rotates between two runs of each client. Each rotation is one call of STS.
func TestEvents_ClientsSeeRotatedCredentials(t *testing.T) {
	d, s, fake := simulatedRole(t)
	for name, use := range keyUsers {
		t.Run(name, func(t *testing.T) {
			command := s.commands(t)
			before, calls := keyOf(t, d, fake, use), fake.Calls("AssumeRole")
			line := command.ok("event", "credentials", "rotate")
			id, _, _ := strings.Cut(line, " ")
			command.ok("event", "wait", id, "--timeout", "20s")
			after := keyOf(t, d, fake, use)
			if before == after {
				t.Errorf("the key is still %s", after)
			}
			if again := keyOf(t, d, fake, use); again != after {
				t.Errorf("the key was %s, is %s", after, again)
			}
			if got := fake.Calls("AssumeRole") - calls; got != 1 {
				t.Errorf("%d AssumeRole calls, want 1", got)
			}
			command.ok("event", "clear")
		})
	}
}

// TestEvents_ClientsLoseADetachedProfile detaches and attaches the profile. The credentials are the same afterwards, without
// another call of STS.
func TestEvents_ClientsLoseADetachedProfile(t *testing.T) {
	d, s, fake := simulatedRole(t)
	for name, use := range keyUsers {
		t.Run(name, func(t *testing.T) {
			command := s.commands(t)
			before, calls := keyOf(t, d, fake, use), fake.Calls("AssumeRole")
			for _, back := range [][]string{{"event", "profile", "attach"}, {"event", "clear"}} {
				command.ok("event", "profile", "detach")
				if err := use(t, d.url, fake.URL()); err == nil || !strings.Contains(strings.ToLower(err.Error()), "unable to locate credentials") {
					t.Errorf("without a profile the client says %v", err)
				}
				command.ok(back...)
				if after := keyOf(t, d, fake, use); after != before {
					t.Errorf("the key was %s, is %s after %s", before, after, back)
				}
				command.ok("event", "clear")
			}
			if got := fake.Calls("AssumeRole") - calls; got != 0 {
				t.Errorf("%d AssumeRole calls, want none", got)
			}
		})
	}
}

// TestEvents_ClientsAreToldOfABrokenProfile breaks the profile. What the AWS CLI and boto3 make of an error document is that there
// are no credentials.
func TestEvents_ClientsAreToldOfABrokenProfile(t *testing.T) {
	d, s, fake := simulatedRole(t)
	for _, code := range []string{"AssumeRoleUnauthorizedAccess", "InstanceProfileNotFound", "NoRole"} {
		t.Run(code, func(t *testing.T) {
			command := s.commands(t)
			command.ok("event", "profile", "break", code)
			defer command.ok("event", "clear")
			err := keyUsers["boto3"](t, d.url, fake.URL())
			// A deleted profile leaves the old document, until it expires.
			if works := err == nil; works != (code == "InstanceProfileNotFound") {
				t.Errorf("boto3 says %v", err)
			}
		})
	}
}

// TestEvents_WaitIsOneLine tests what a CI script does: make an event, wait for its phase, and see it in the list.
func TestEvents_WaitIsOneLine(t *testing.T) {
	d := startLocal(t, mockHome(t, ""), "")
	s := simulate(t, d)
	command := s.commands(t)
	command.ok("event", "spot", "stop", "--id", "s1", "--in", "1s")
	command.ok("event", "wait", "s1", "noticed", "--timeout", "20s")
	if n := newPoller(t, d).notice(); !strings.HasPrefix(n, "stop ") {
		t.Errorf("the notice is %q", n)
	}
	if list := command.ok("event", "list"); !strings.HasPrefix(list, "ID ") || !strings.Contains(list, "\ns1 ") || !strings.Contains(list, " noticed ") {
		t.Errorf("the list is\n%s", list)
	}
	if r := command.run("event", "wait", "s1", "acted", "--timeout", "1s"); r.code != 1 || r.stdout != "" {
		t.Errorf("a wait that times out: exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
	command.ok("event", "cancel", "s1")
	if r := command.run("event", "show", "s1"); r.code != 1 {
		t.Errorf("show after cancel: exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
}

// TestFaults_CLIRetriesThroughAnOutage injects an outage of two requests by one command. The AWS CLI asks once by default, so two
// runs fail; with three attempts one run gets through.
func TestFaults_CLIRetriesThroughAnOutage(t *testing.T) {
	d, s, fake := simulatedRole(t)
	command := s.commands(t)
	whoami := func(env ...string) error {
		_, err := client(t, append(clean(t, d.url), env...), awsCLI, "sts", "get-caller-identity", "--endpoint-url", fake.URL(), "--region", region)
		return err
	}
	outage := []string{"fault", "add", "--id", "f", "--path", "meta-data/iam/**", "--status", "503", "--count", "2"}
	command.ok(outage...)
	for i, fails := range []bool{true, true, false} {
		if err := whoami(); (err != nil) != fails {
			t.Errorf("run %d: %v", i+1, err)
		}
	}
	if list := command.ok("fault", "list"); !strings.HasPrefix(list, "ID ") || !strings.Contains(list, "\nf ") || !strings.HasSuffix(strings.TrimSpace(list), " 2") {
		t.Errorf("the list is\n%s", list)
	}
	command.ok("fault", "clear")
	command.ok(outage...)
	if err := whoami("AWS_METADATA_SERVICE_NUM_ATTEMPTS=3"); err != nil {
		t.Errorf("with three attempts: %v", err)
	}
}

// TestJournal_HoldsNoSecretOfTheClients looks for credentials and session tokens in all that the control socket tells of requests.
func TestJournal_HoldsNoSecretOfTheClients(t *testing.T) {
	d, s, fake := simulatedRole(t)
	secrets := fake.Secrets()
	for _, use := range keyUsers {
		secrets = append(secrets, keyOf(t, d, fake, use))
	}
	secrets = append(secrets, newPoller(t, d).token)
	told := map[string]string{"requests --json": s.commands(t).ok("requests", "--json"), "requests": s.commands(t).ok("requests")}
	for _, path := range []string{"/v1/requests", "/v1/state", "/v1/events", "/v1/faults"} {
		told[path] = s.call(t, http.MethodGet, path, "", http.StatusOK)
	}
	told["the log"] = strings.Join(d.logged(), "\n")
	if !strings.Contains(told["/v1/requests"], "security-credentials/myrole") {
		t.Errorf("the clients are not in the journal: %s", told["/v1/requests"])
	}
	for where, text := range told {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s has the secret %.6s...", where, secret)
			}
		}
	}
}
