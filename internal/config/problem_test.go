package config

import (
	"errors"
	"io/fs"
	"testing"
)

func TestProblem_NamesTheOriginOfTheKey(t *testing.T) {
	l := mustLoad(t, `
ec2:
  network_interfaces:
  - mac: 0a:1b:2c:3d:4e:5f
metadata:
  meta-data/a.b: x
`, []string{"MOCK_EC2_METADATA__EC2__HOSTNAME=a"}, []string{"metadata.meta-data/c=x"})
	for path, want := range map[string]string{
		"metadata.meta-data/a.b":           "f.yaml:6: metadata.meta-data/a.b: is 100% wrong",
		"metadata.meta-data/c":             "--set metadata.meta-data/c: is 100% wrong",
		"ec2.hostname":                     "MOCK_EC2_METADATA__EC2__HOSTNAME: ec2.hostname: is 100% wrong",
		"ec2.local_ipv4":                   "default: ec2.local_ipv4: is 100% wrong",
		"ec2.network_interfaces[0].mac":    "f.yaml:4: ec2.network_interfaces[0].mac: is 100% wrong",
		"ec2.network_interfaces[0].vpc_id": "f.yaml:4: ec2.network_interfaces[0].vpc_id: is 100% wrong",
		"ec2.network_interfaces":           "f.yaml:3: ec2.network_interfaces: is 100% wrong",
	} {
		t.Run(path, func(t *testing.T) {
			expectError(t, l.Problem(path, "is %d%% wrong", 100), want)
		})
	}
}

func TestProblem_WrapsItsCause(t *testing.T) {
	l := mustLoad(t, "", nil, nil)
	if err := l.Problem("identity.key_file", "%w", fs.ErrNotExist); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap its cause", err)
	}
}

func TestProblems_HaveALineEachInTheOrderOfTheFile(t *testing.T) {
	l := mustLoad(t, `
ec2:
  network_interfaces:
  - local_ipv4s:
    - 10.0.0.11
    - 10.0.0.12
`, nil, []string{"aws.region=eu-west-1"})
	const key = "ec2.network_interfaces[0].local_ipv4s"
	err := l.Problems(-1, []*KeyError{
		{Key: "aws.region", At: "aws.region", Reason: "is wrong"},
		{Key: key, At: key + "[1]", Reason: "10.0.0.12 is 100% wrong"},
		{Key: key, At: key + "[0]", Reason: "10.0.0.11 is wrong"},
	})
	expectError(t, err, `f.yaml:5: ec2.network_interfaces[0].local_ipv4s: 10.0.0.11 is wrong
f.yaml:6: ec2.network_interfaces[0].local_ipv4s: 10.0.0.12 is 100% wrong
--set aws.region: is wrong`)
}

func TestProblems_NoneIsNil(t *testing.T) {
	must(t, mustLoad(t, "", nil, nil).Problems(-1, nil))
}
