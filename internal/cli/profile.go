package cli

import (
	"os"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/privileges"
	"mock-ec2-metadata/internal/profile"
)

// readProfile says where a profile belongs. Started as root, it reads the profile of the user that leaveRoot chooses.
func (f *flags) readProfile(name, user string) config.Profile {
	home, _ := os.UserHomeDir()
	if os.Geteuid() == 0 && !f.staysRoot {
		if u, err := privileges.Choose(user, ownedFiles()); err == nil && u.UID != 0 {
			home = u.HomeToUse()
		}
	}
	p := profile.ReadPlace(name, home)
	return config.Profile{
		From: "profile " + p.Name + " (" + p.File + ")", Region: p.Region, RoleARN: p.RoleARN, SSORegion: p.SSORegion,
	}
}
