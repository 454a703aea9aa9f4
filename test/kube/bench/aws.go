//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"mock-ec2-metadata/test/kube/kubetest"
	"mock-ec2-metadata/test/stsfake"
)

const (
	roleName   = "app"
	baseARN    = "arn:aws:iam::123456789012:role/"
	annotation = "iam.amazonaws.com/role" // which both programs read
	rolePath   = "/latest/meta-data/iam/security-credentials/" + roleName
)

// aws is a fake of the two services that the programs call, and a profile for them.
type aws struct {
	sts, ec2 io.Closer
	env      []string // for programs
}

// newAWS serves on free ports of an address, inside a network namespace; "" is this process's. Its files go to dir.
func newAWS(netns, host, dir string) (*aws, error) {
	sts, err := kubetest.Listen(netns, host+":0")
	if err != nil {
		return nil, err
	}
	ec2, err := kubetest.Listen(netns, host+":0")
	if err != nil {
		return nil, errors.Join(err, sts.Close())
	}
	fake := stsfake.New()
	fake.AddRole(baseARN + roleName)
	key := fake.AddUser("bench")
	home := filepath.Join(dir, ".aws")
	profile := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\nregion = eu-central-1\n", key.AccessKeyID, key.SecretAccessKey)
	file := filepath.Join(home, "credentials")
	if err := errors.Join(os.MkdirAll(home, 0o755), os.WriteFile(file, []byte(profile), 0o644)); err != nil {
		return nil, err
	}
	regions := &http.Server{Handler: http.HandlerFunc(noRegions)}
	go func() { _ = fake.Serve(sts) }() // their ends are close's
	go func() { _ = regions.Serve(ec2) }()
	return &aws{sts: fake, ec2: regions, env: []string{
		"HOME=" + dir, "AWS_SHARED_CREDENTIALS_FILE=" + file, "AWS_REGION=eu-central-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_STS=" + stsfake.URL(sts.Addr()), "AWS_ENDPOINT_URL_EC2=http://" + ec2.Addr().String(),
	}}, nil
}

// noRegions answers DescribeRegions. For regions that it names, kube2iam would call the real STS.
func noRegions(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/xml")
	_, _ = io.WriteString(w, `<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><regionInfo/></DescribeRegionsResponse>`)
}

func (a *aws) close() { _, _ = a.sts.Close(), a.ec2.Close() }
