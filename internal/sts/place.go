package sts

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
)

// Place is what a profile says about where its credentials belong. Empty texts are unknown.
type Place struct {
	Name      string // of the profile
	File      string // that names the region, with ~ for the home directory
	Region    string
	RoleARN   string // of the role that the profile assumes
	SSORegion string // of IAM Identity Center
}

// ReadPlace reads a profile, "" for the SDK's choice, from the shared config files that a user with this home has. It returns
// the name alone if the profile cannot be read, which getting credentials will report.
func ReadPlace(ctx context.Context, profile, home string) Place {
	named, _ := namedByEnvironment()
	place := Place{Name: cmp.Or(profile, named, "default")}
	files := [2]string{
		cmp.Or(os.Getenv("AWS_CONFIG_FILE"), filepath.Join(home, ".aws", "config")),
		cmp.Or(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(home, ".aws", "credentials")),
	}
	load := func(config, credentials string) (awsconfig.SharedConfig, error) {
		return awsconfig.LoadSharedConfigProfile(ctx, place.Name, func(o *awsconfig.LoadSharedConfigOptions) {
			o.ConfigFiles, o.CredentialsFiles = []string{config}, []string{credentials}
		})
	}
	p, err := load(files[0], files[1])
	if err != nil {
		return place
	}
	place.Region, place.RoleARN, place.SSORegion = p.Region, p.RoleARN, p.SSORegion
	if p.SSOSession != nil {
		place.SSORegion = p.SSOSession.SSORegion
	}
	place.File = files[0]
	if own, err := load(os.DevNull, files[1]); err == nil && own.Region != "" { // the credentials file wins
		place.File = files[1]
	}
	if below, ok := strings.CutPrefix(place.File, home+string(filepath.Separator)); ok && home != "" {
		place.File = filepath.Join("~", below)
	}
	return place
}
