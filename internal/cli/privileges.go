package cli

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/privileges"
	"mock-ec2-metadata/internal/profile"
	"mock-ec2-metadata/internal/sts"
)

// leaveRoot makes a process that was started as root the user of server.user or, without it, the one that is most likely
// meant. before, if not nil, runs as root with the environment of that user.
func leaveRoot(ctx context.Context, loaded *config.Loaded, log *slog.Logger, before func(*privileges.User)) error {
	wanted := loaded.Config.Server.User
	if os.Geteuid() != 0 {
		if wanted != "" && !privileges.IsCurrent(wanted) {
			log.Warn("server.user has no effect without root", "user", wanted)
		}
		return nil
	}
	user, err := privileges.Choose(wanted, ownedFiles())
	if err != nil {
		return loaded.Problem("server.user", "%w", err)
	}
	if user.UID == 0 {
		if wanted == "" {
			log.Warn("the daemon runs as root",
				"hint", "set server.user to the user to become after binding the ports, or to root if that is meant")
		}
		return nil
	}
	if socket, ok := strings.CutPrefix(loaded.Config.Containers.Engine, "unix://"); ok {
		user.KeepGroupOf(socket)
	}
	if err := user.AdoptEnvironment(); err != nil {
		return err
	}
	if before != nil {
		before(user)
	}
	if err := user.Become(filesToRead(ctx, loaded)); err != nil {
		return err
	}
	log.Info("no longer root", "user", user.String(), "why", user.Reason, "home", os.Getenv("HOME"))
	return nil
}

// ownedFiles are files whose owner is most likely the user to become.
func ownedFiles() []string {
	files := sts.ProfileFiles()
	home, _ := os.UserHomeDir()
	return append(files, filepath.Join(home, ".aws"))
}

// filesToRead are the files and directories that credentials and the configuration come from.
func filesToRead(ctx context.Context, loaded *config.Loaded) []string {
	files := append(sts.Files(ctx, loaded.Config.Credentials.SourceProfile), loaded.Files...)
	for _, file := range []string{loaded.File, profile.Expand(os.Getenv("AWS_CA_BUNDLE"))} {
		if file != "" {
			files = append(files, file)
		}
	}
	return files
}
