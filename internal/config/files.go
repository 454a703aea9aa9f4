package config

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/profile"
)

// Keys that name files and directories.
const (
	userDataFile = "ec2.user_data_file"
	keyFile      = "identity.key_file"
	certFile     = "identity.cert_file"
	stateDir     = "identity.state_dir"
	authFile     = "ecs.authorization_file"
	jwksKey      = "pod_identity.jwks"
	kubeconfig   = "pod_identity.kubeconfig"
)

// locateFiles makes the paths in the configuration absolute and returns the files to watch. Paths in a file are relative to
// the file's directory, those in variables and flags to the working directory. ~ and variables are replaced before.
func (l *loader) locateFiles() []string {
	c := l.config
	l.locate(stateDir, &c.Identity.StateDir)
	pods := l.locate(kubeconfig, &c.PodIdentity.Kubeconfig)
	if !IsURL(c.PodIdentity.JWKS) {
		pods = append(pods, l.locate(jwksKey, &c.PodIdentity.JWKS)...)
	}
	return slices.Concat(l.locate(userDataFile, &c.EC2.UserDataFile), l.locate(keyFile, &c.Identity.KeyFile), l.locate(certFile, &c.Identity.CertFile),
		l.locate(authFile, &c.ECS.AuthorizationFile), pods)
}

// locate makes the path at a key absolute and returns it, or nothing if the key is not set.
func (l *loader) locate(key string, path *string) []string {
	if !l.usable(key) {
		return nil
	}
	home := profile.Home()
	if l.sources.Home != nil {
		home = l.sources.Home(l.config.Server.User)
	}
	*path = profile.ExpandIn(*path, home)
	if at := l.origin(key); at.line > 0 && !filepath.IsAbs(*path) {
		*path = filepath.Join(filepath.Dir(at.name), *path)
	}
	if abs, err := filepath.Abs(*path); err == nil {
		*path = abs
	}
	return []string{*path}
}

// maxUserData is EC2's limit, in bytes before base64 (EC2 user guide, "Run commands at launch").
const maxUserData = 16384

func userData(value string) string {
	if len(value) > maxUserData {
		return fmt.Sprintf("%d bytes; EC2 takes at most %d", len(value), maxUserData)
	}
	return ""
}

func userDataBase64(value string) string {
	data, err := decodeBase64(value)
	if err != nil {
		return "not valid base64"
	}
	return userData(string(data))
}

// decodeBase64 decodes base64 with any line breaks and spaces.
func decodeBase64(value string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
}

// readUserData returns the user data of the key that has it, or nil.
func (l *loader) readUserData() []byte {
	var data []byte
	var err error
	switch c := l.config.EC2; {
	case l.usable("ec2.user_data"):
		data = []byte(c.UserData.Reveal())
	case l.usable("ec2.user_data_base64"):
		data, err = decodeBase64(c.UserDataBase64.Reveal())
	case l.usable(userDataFile):
		// Opening anything but a regular file, such as a named pipe, could block.
		if info, err := os.Stat(c.UserDataFile); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
			l.wrong(userDataFile, "%s: not a regular file", oneLine(c.UserDataFile))
			break
		}
		if data, err = readFile(c.UserDataFile, maxUserData, fmt.Sprintf("more than %d bytes; EC2 takes no more", maxUserData)); err != nil {
			l.wrong(userDataFile, "%v", err)
		}
	}
	if err != nil || len(data) == 0 {
		return nil
	}
	return data
}
