package disk

import (
	"path"
	"strings"
)

// MaxName is how many bytes a name may have: what ext4, XFS and Btrfs hold.
const MaxName = 255

// MarkName puts a mark between a name and its extension and cuts the name
// where the whole would be too long: "a (2).pdf".
func MarkName(name, mark string) string {
	ext := path.Ext(name)
	if len(ext) > 32 || ext == name {
		ext = ""
	}
	stem := strings.TrimSuffix(name, ext)
	if room := MaxName - len(mark) - len(ext); len(stem) > room {
		stem = strings.ToValidUTF8(stem[:room], "")
	}
	return stem + mark + ext
}
