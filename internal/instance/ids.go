package instance

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"net"
	"time"
)

// digest hashes what a derived value is for and what owns it.
func digest(purpose, owner string) [sha256.Size]byte {
	return sha256.Sum256([]byte(purpose + " " + owner))
}

// hexID derives an id in EC2's format: a prefix and 17 hexadecimal digits.
func hexID(prefix, owner string) string {
	sum := digest(prefix, owner)
	return prefix + hex.EncodeToString(sum[:])[:17]
}

// mac derives a hardware address in EC2's format: locally administered, with the first byte 02, 06 or 0a.
func mac(owner string) string {
	sum := digest("mac", owner)
	address := append(net.HardwareAddr{[]byte{0x02, 0x06, 0x0a}[sum[0]%3]}, sum[1:6]...)
	return address.String()
}

// profileID derives the id of an instance profile in IAM's format: AIPA and 17 characters of base32.
func profileID(profileARN string) string {
	sum := digest("instance profile", profileARN)
	return "AIPA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// pendingTime returns the configured launch time, which is valid RFC 3339, or a second of the year 2025 derived from the
// instance id. The derived time is in the past and the same in each run, as for an instance that was never stopped.
func pendingTime(configured, instanceID string) time.Time {
	if t, err := time.Parse(time.RFC3339, configured); err == nil {
		return t.UTC().Truncate(time.Second)
	}
	const secondsOfYear = 365 * 24 * 60 * 60
	sum := digest("pending_time", instanceID)
	offset := binary.BigEndian.Uint64(sum[:]) % secondsOfYear
	return time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(offset) * time.Second)
}
