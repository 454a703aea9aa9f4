package profile

import (
	"cmp"
	"path/filepath"
	"strings"
)

// Place is what a profile says about where its credentials belong. Empty texts are unknown.
type Place struct {
	Name      string // of the profile
	File      string // that names the region, with ~ for the home directory
	Region    string
	RoleARN   string // of the role that the profile assumes
	SSORegion string // of IAM Identity Center
}

// ReadPlace reads a profile from the files of the user with this home directory. The name "" means the profile that
// AWS_PROFILE or AWS_DEFAULT_PROFILE names, else "default". It returns the name alone if the profile cannot be read.
func ReadPlace(name, home string) Place {
	named, _ := Named()
	place := Place{Name: cmp.Or(name, named, "default")}
	configFile, credentialsFile := fileIn(home, "AWS_CONFIG_FILE", "config"), fileIn(home, "AWS_SHARED_CREDENTIALS_FILE", "credentials")
	files, err := load(configFile, credentialsFile)
	if err != nil || files.profiles[place.Name] == nil {
		return place
	}
	e := files.profiles[place.Name]
	for _, in := range []struct {
		file string
		*section
	}{{configFile, e.config}, {credentialsFile, e.credentials}} { // the later one wins, key by key
		if in.section == nil {
			continue
		}
		if region := in.keys["region"].text; region != "" || place.File == "" {
			place.Region, place.File = region, in.file
		}
		place.RoleARN = cmp.Or(in.keys["role_arn"].text, place.RoleARN)
		place.SSORegion = cmp.Or(in.keys["sso_region"].text, place.SSORegion)
		if session := files.sessions[in.keys["sso_session"].text]; session != nil {
			place.SSORegion = cmp.Or(session.keys["sso_region"].text, place.SSORegion)
		}
	}
	if below, ok := strings.CutPrefix(place.File, home+string(filepath.Separator)); ok && home != "" {
		place.File = filepath.Join("~", below)
	}
	return place
}
