package config

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Keys that name files and directories.
const (
	userDataFile = "ec2.user_data_file"
	keyFile      = "identity.key_file"
	certFile     = "identity.cert_file"
	stateDir     = "identity.state_dir"
)

// locateFiles makes the paths that the configuration names absolute. Those in a file start from the file's directory,
// those in the environment and in --set from the working directory. It returns the files to watch.
func (l *loader) locateFiles() []string {
	var files []string
	c := l.config
	for _, f := range []struct {
		key   string
		path  *string
		watch bool
	}{
		{userDataFile, &c.EC2.UserDataFile, true},
		{keyFile, &c.Identity.KeyFile, true},
		{certFile, &c.Identity.CertFile, true},
		{stateDir, &c.Identity.StateDir, false},
	} {
		if !l.usable(f.key) {
			continue
		}
		path := *f.path
		if file := l.origin(f.key).file; file != "" && !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(file), path)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			l.fail(l.origin(f.key), f.key, "%s: %v", oneLine(*f.path), err)
			continue
		}
		*f.path = path
		if f.watch {
			files = append(files, path)
		}
	}
	return files
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

// decodeBase64 takes base64 however YAML has broken and folded its lines.
func decodeBase64(value string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
}

// validateUserData wants it in one place.
func (l *loader) validateUserData() {
	first := ""
	for _, path := range []string{"ec2.user_data", userDataFile, "ec2.user_data_base64"} {
		switch {
		case !l.isSet(path):
		case first == "":
			first = path
		default:
			l.wrong(path, "%s is set too; keep one of them", first)
		}
	}
}

// readUserData is the user data from where it is given; nil when there is none.
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
