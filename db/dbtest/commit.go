package dbtest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
)

// pipedCommit is how the driver names the statement COMMIT of a piped
// transaction, which it prepares first, with its text.
var pipedCommit = fmt.Appendf(nil, "stmtcache_%x", sha256.Sum256([]byte("COMMIT")))[:len("stmtcache_")+48]

// Commits reports whether bytes on their way to PostgreSQL end a transaction.
func Commits(sent []byte) bool {
	return bytes.Contains(sent, []byte("commit\x00")) || bytes.Contains(sent, pipedCommit) && !bytes.Contains(sent, []byte("COMMIT\x00"))
}
