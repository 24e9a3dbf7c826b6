package files

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"net/http"
	"strings"
	"time"

	"homebase/httpx"

	"github.com/google/uuid"
)

// maxMetadata is the longest Upload-Metadata in bytes.
const maxMetadata = 8 << 10

var (
	errMetadata     = httpx.NewProblem(400, "invalid_metadata", "Upload-Metadata is not valid")
	errChecksum     = httpx.NewProblem(400, "invalid_checksum", "Upload-Checksum is not valid").With("It must be sha1 or sha256, a space, and the checksum in padded base64.")
	errChecksumDiff = httpx.NewProblem(460, "checksum_mismatch", "The chunk does not match its checksum").With("Nothing of it was kept; send it again.")
)

// parseMetadata reads Upload-Metadata: pairs of a key and a value in base64,
// which may be left out. Keys are unique and of visible ASCII, so that the
// field can be stored and said back as it is.
func parseMetadata(field string) (map[string]string, error) {
	if len(field) > maxMetadata {
		return nil, errMetadata.With("At most 8192 bytes are accepted.")
	}
	pairs := map[string]string{}
	if field == "" {
		return pairs, nil
	}
	for pair := range strings.SplitSeq(field, ",") {
		key, encoded, _ := strings.Cut(strings.Trim(pair, " \t"), " ")
		if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, errMetadata.With("Every key must consist of visible ASCII characters.")
		}
		if _, twice := pairs[key]; twice {
			return nil, errMetadata.With("A key was given twice.")
		}
		value, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil || strings.ContainsAny(encoded, "\r\n") { // which the decoder passes over
			return nil, errMetadata.With("Every value must be padded base64.")
		}
		pairs[key] = string(value)
	}
	return pairs, nil
}

// destination is where a resumable upload goes by its metadata: a name in a
// folder that is given by id or by path, the root without either.
type destination struct {
	space     uuid.UUID // zero: the sender's own tree, or that of parent
	parent    *uuid.UUID
	folder    []string
	name      string
	mediaType string // as declared
	modified  time.Time
}

// parseDestination reads filename, filetype, mtime, space, and parent_id or path;
// other keys are the client's own.
func parseDestination(field string) (d destination, err error) {
	pairs, err := parseMetadata(field)
	if err != nil {
		return d, err
	}
	d.name, d.mediaType = pairs["filename"], pairs["filetype"]
	if err := checkName(d.name); err != nil {
		return d, err
	}
	if said := pairs["mtime"]; said != "" {
		if d.modified, err = parseModified(said); err != nil {
			return d, errMetadata.With("mtime: give seconds since 1970, whole or with a fraction, between 1901 and 2262.").Because(err)
		}
	}
	if space, ok := pairs["space"]; ok {
		if d.space, err = parseID(space); err != nil {
			return d, err
		}
	}
	id, byID := pairs["parent_id"]
	folder, byPath := pairs["path"]
	switch {
	case byID && byPath:
		return d, errMetadata.With("Give parent_id or path, not both.")
	case byID:
		parent, err := parseID(id)
		if err != nil {
			return d, errMetadata.With("parent_id must be the id of a folder.")
		}
		d.parent = &parent
	}
	if d.folder, err = parsePath(folder); err != nil {
		return d, err
	}
	return d, checkPath(append(d.folder, d.name))
}

// find looks the destination up, each time anew: the folder may have been
// moved since the upload began.
func (d destination) find(owner uuid.UUID) finder {
	if d.parent != nil {
		return inFolder(owner, *d.parent, d.name)
	}
	return byPath(owner, append(d.folder, d.name), false)
}

// parseChecksum reads Upload-Checksum: the hash that the chunk goes through
// and the sum that it must have; nil without the header.
func parseChecksum(h http.Header) (hash.Hash, []byte, error) {
	values := h.Values("Upload-Checksum")
	if len(values) == 0 {
		return nil, nil, nil
	}
	algorithm, encoded, _ := strings.Cut(values[0], " ")
	sum, err := base64.StdEncoding.Strict().DecodeString(encoded)
	var running hash.Hash
	switch algorithm {
	case "sha1":
		running = sha1.New()
	case "sha256":
		running = sha256.New()
	}
	if err != nil || len(values) > 1 || running == nil || len(sum) != running.Size() {
		return nil, nil, errChecksum
	}
	return running, sum, nil
}
