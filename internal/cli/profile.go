package cli

import (
	"context"
	"os"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/privileges"
	"mock-ec2-metadata/internal/sts"
)

// readProfile says where a profile belongs. Started as root, it reads the profile of the user that leaveRoot chooses.
func (f *flags) readProfile(profile, user string) config.Profile {
	home, _ := os.UserHomeDir()
	if os.Geteuid() == 0 && !f.staysRoot {
		if u, err := privileges.Choose(user, ownedFiles()); err == nil && u.UID != 0 {
			home = u.HomeToUse()
		}
	}
	p := sts.ReadPlace(context.Background(), profile, home)
	return config.Profile{
		From: "profile " + p.Name + " (" + p.File + ")", Region: p.Region, RoleARN: p.RoleARN, SSORegion: p.SSORegion,
	}
}
