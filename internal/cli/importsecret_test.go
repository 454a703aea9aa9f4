package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// planted has the id of an access key, and the beginning of a private key.
const planted = "AKIA" + "IOSFODNN7EXAMPLE -----BEGIN RSA PRIVATE KEY-----\nMIIB" + "planted\n"

// TestImport_NoPlantedSecretIsTold puts a secret in place of each text and each key of files of all kinds in turn.
func TestImport_NoPlantedSecretIsTold(t *testing.T) {
	names := []string{
		"aemm", "aemm-all", "aemm-helm", "cloud-init", "cloud-init-redacted", "flags-kube2iam", "key-pair", "network", "network-wide", "own", "profile-role",
	}
	for _, c := range importCases(t) {
		if !slices.Contains(names, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			for i, f := range c.archive.Files {
				var value any
				if !slices.Contains(strings.Fields(c.section("args")+" stdin"), f.Name) || yaml.Unmarshal(f.Data, &value) != nil {
					continue
				}
				plant(value, func() bool {
					content, err := json.Marshal(value)
					if err != nil {
						t.Fatal(err)
					}
					c.archive.Files[i].Data = content
					_, stdout, stderr := c.run(t)
					return strings.Contains(stdout+stderr, planted[:20]) || strings.Contains(stdout+stderr, "planted")
				}, func(place string) {
					if !strings.HasSuffix(place, "userdata.values.userdata") { // user data may hold anything
						t.Errorf("a secret at %s of %s is told", place, f.Name)
					}
				})
				c.archive.Files[i].Data = f.Data
			}
		})
	}
}

func TestImport_NoSecretOfAServiceIsTold(t *testing.T) {
	secret := strings.Fields(planted)[0]
	for _, leaves := range []map[string]string{
		{"meta-data/": "ami-id\n" + secret + "?x"},
		{"meta-data/": "ami-id\n" + secret},
		{"meta-data/": "ami-id\n" + secret + "/", "meta-data/" + secret + "/": "a", "meta-data/" + secret + "/a": "b"},
		{"meta-data/": "ami-id\nx", "meta-data/x": planted},
		{"meta-data/": "iam/", "meta-data/iam/": "security-credentials/", "meta-data/iam/security-credentials/": secret},
		{"meta-data/": "iam/", "meta-data/iam/": "info", "meta-data/iam/info": `{"InstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/` + secret + `"}`},
		{"meta-data/": "public-keys/", "meta-data/public-keys/": "0=" + secret, "meta-data/public-keys/0/openssh-key": "ssh-ed25519 AAAA x"},
		{"meta-data/": "events/", "meta-data/events/": "maintenance/", "meta-data/events/maintenance/": "scheduled", "meta-data/events/maintenance/scheduled": `[{"Code": "system-reboot", "State": "active",
			"NotBefore": "01 Dec 2036 02:00:00 GMT", "Description": "` + secret + `"}]`},
		{"meta-data/": "spot/", "meta-data/spot/": "instance-action", "meta-data/spot/instance-action": `{"action": "` + secret + `", "time": "` + secret + `"}`},
		{"meta-data/": "autoscaling/", "meta-data/autoscaling/": "target-lifecycle-state", "meta-data/autoscaling/target-lifecycle-state": secret},
		{"meta-data/": "instance-id", "meta-data/instance-id": secret},
		{
			"meta-data/": "network/", "meta-data/network/": "interfaces/", "meta-data/network/interfaces/": "macs/", "meta-data/network/interfaces/macs/": secret + "/",
			"meta-data/network/interfaces/macs/" + secret + "/": "owner-id", "meta-data/network/interfaces/macs/" + secret + "/owner-id": secret,
		},
		{"meta-data/": "ami-id", "dynamic/": "instance-identity/", "dynamic/instance-identity/": "document", "dynamic/instance-identity/document": `{"accountId": "` + secret + `"}`},
	} {
		server := httptest.NewServer(&fakeService{leaves: leaves})
		var stdout, stderr bytes.Buffer
		cmd := newImport(nil)
		cmd.SetOut(&stdout)
		cmd.SetErr(&stderr)
		f := &importFlags{importSources: importSources{fromIMDS: server.URL, limits: fastCrawl()}}
		result, err := f.read(t.Context(), f)
		if err == nil {
			err = writeImport(cmd, f, result)
		}
		server.Close()
		if text := fmt.Sprint(stdout.String(), stderr.String(), err); strings.Contains(text, secret) {
			t.Errorf("of %q it tells %s", leaves, text)
		}
	}
}

// plant sets each text and each key in turn to a secret, and reports the places for which told is true.
func plant(value any, told func() bool, report func(place string)) {
	inside := func(place string, set func(content any), old any) {
		if _, ok := old.(string); ok {
			if set(planted); told() {
				report(place)
			}
			set(old)
		}
		plant(old, told, func(below string) { report(place + "." + below) })
	}
	switch v := value.(type) {
	case []any:
		for i, e := range v {
			inside(fmt.Sprint(i), func(content any) { v[i] = content }, e)
		}
	case map[string]any:
		for _, key := range slices.Collect(maps.Keys(v)) {
			inside(key, func(content any) { v[key] = content }, v[key])
			old := v[key]
			delete(v, key)
			if v[planted] = old; told() {
				report("the key " + key)
			}
			delete(v, planted)
			v[key] = old
		}
	}
}
