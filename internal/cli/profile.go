package cli

import (
	"os"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/privileges"
	"mock-ec2-metadata/internal/profile"
)

// home is the home directory of the user whose files the daemon reads. Started as root, that is the user that leaveRoot
// chooses, given server.user.
func (f *flags) home(user string) string {
	if os.Geteuid() == 0 && !f.staysRoot {
		if u, err := privileges.Choose(user, ownedFiles()); err == nil && u.UID != 0 {
			return u.HomeToUse()
		}
	}
	home, _ := os.UserHomeDir()
	return home
}

// readProfile says where a profile belongs.
func (f *flags) readProfile(name, user string) config.Profile {
	p := profile.ReadPlace(name, f.home(user))
	return config.Profile{
		Found: p.File != "", From: "profile " + p.Name + " (" + p.File + ")", Region: p.Region, RoleARN: p.RoleARN, SSORegion: p.SSORegion,
	}
}
