package files

import (
	"mime"
	"slices"
	"strings"
)

const octetStream = "application/octet-stream"

// mediaTypes gives the types of an extension, the usual one first. It is the
// only table there is: what the host's /etc/mime.types says would make the
// answer differ from machine to machine.
var mediaTypes = map[string]string{
	"7z": "application/x-7z-compressed", "aac": "audio/aac", "aif": "audio/aiff audio/x-aiff",
	"aiff": "audio/aiff audio/x-aiff", "apk": "application/vnd.android.package-archive",
	"avi": "video/x-msvideo video/avi", "avif": "image/avif", "bmp": "image/bmp image/x-ms-bmp",
	"bz2": "application/x-bzip2", "c": "text/x-c text/plain", "conf": "text/plain", "cpp": "text/x-c text/plain",
	"css": "text/css", "csv": "text/csv text/plain application/csv", "deb": "application/vnd.debian.binary-package",
	"dmg": "application/x-apple-diskimage", "doc": "application/msword",
	"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"eml":  "message/rfc822", "epub": "application/epub+zip", "exe": "application/vnd.microsoft.portable-executable",
	"flac": "audio/flac audio/x-flac", "gif": "image/gif", "go": "text/x-go text/plain",
	"gpx": "application/gpx+xml", "gz": "application/gzip application/x-gzip", "h": "text/x-c text/plain",
	"heic": "image/heic", "heif": "image/heif", "htm": "text/html", "html": "text/html",
	"ico": "image/x-icon image/vnd.microsoft.icon", "ics": "text/calendar", "ini": "text/plain",
	"iso": "application/x-iso9660-image", "java": "text/x-java text/plain", "jpeg": "image/jpeg", "jpg": "image/jpeg",
	"js": "text/javascript application/javascript", "json": "application/json", "jsonl": "application/jsonl",
	"jxl": "image/jxl", "key": "application/vnd.apple.keynote application/x-pem-file", "log": "text/plain",
	"m2ts": "video/mp2t", "m3u8": "application/vnd.apple.mpegurl", "m4a": "audio/mp4 audio/x-m4a", "m4v": "video/mp4 video/x-m4v",
	"md": "text/markdown text/plain", "mid": "audio/midi", "mkv": "video/matroska video/x-matroska",
	"mjs": "text/javascript", "mov": "video/quicktime", "mp3": "audio/mpeg audio/mp3", "mp4": "video/mp4",
	"mpeg": "video/mpeg", "mpg": "video/mpeg", "mts": "text/x-typescript video/mp2t",
	"odp": "application/vnd.oasis.opendocument.presentation",
	"ods": "application/vnd.oasis.opendocument.spreadsheet", "odt": "application/vnd.oasis.opendocument.text",
	"oga": "audio/ogg", "ogg": "audio/ogg video/ogg application/ogg", "ogv": "video/ogg", "opus": "audio/ogg audio/opus",
	"otf": "font/otf", "parquet": "application/vnd.apache.parquet", "pdf": "application/pdf",
	"pem": "application/x-pem-file", "png": "image/png", "ppt": "application/vnd.ms-powerpoint",
	"pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	"psd":  "image/vnd.adobe.photoshop", "py": "text/x-python text/plain", "rar": "application/vnd.rar",
	"rs": "text/x-rust text/plain", "rtf": "application/rtf text/rtf", "sh": "application/x-sh text/x-shellscript",
	"sql": "application/sql text/plain", "sqlite": "application/vnd.sqlite3", "srt": "application/x-subrip",
	"svg": "image/svg+xml", "tar": "application/x-tar", "tex": "application/x-tex text/x-tex",
	"tgz": "application/gzip", "tif": "image/tiff", "tiff": "image/tiff", "toml": "application/toml text/plain",
	"ts": "text/x-typescript video/mp2t", "tsv": "text/tab-separated-values", "ttf": "font/ttf",
	"txt": "text/plain", "vcf": "text/vcard", "vtt": "text/vtt", "wasm": "application/wasm",
	"wav": "audio/wav audio/x-wav audio/wave", "weba": "audio/webm", "webm": "video/webm audio/webm",
	"webp": "image/webp", "woff": "font/woff", "woff2": "font/woff2", "xhtml": "application/xhtml+xml",
	"xls": "application/vnd.ms-excel", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"xml": "application/xml text/xml", "xz": "application/x-xz", "yaml": "application/yaml text/yaml",
	"yml": "application/yaml text/yaml", "zip": "application/zip application/x-zip-compressed", "zst": "application/zstd",
}

// mediaType is the type a file gets: what its first bytes say, where the name
// leaves it open; else the declared one when the table knows it for the name's
// extension, else the table's usual one.
func mediaType(name, declared string, head []byte) string {
	ext := extension(name)
	if tell := signatures[ext]; tell != nil && head != nil {
		return tell(head)
	}
	known := strings.Fields(mediaTypes[ext])
	if len(known) == 0 {
		return octetStream
	}
	if t, _, err := mime.ParseMediaType(declared); err == nil && slices.Contains(known, t) {
		return t
	}
	return known[0]
}

// compressible reports whether deflating bytes of the type is worth the time.
// What is not known is most likely compressed or encrypted already.
func compressible(mediaType string) bool {
	switch mediaType {
	case "application/json", "application/jsonl", "application/xml", "application/yaml", "application/toml", "application/sql",
		"application/javascript", "application/rtf", "application/x-sh", "application/x-tex", "application/x-tar", "application/x-subrip",
		"application/wasm", "application/vnd.sqlite3", "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
		"image/bmp", "image/x-ms-bmp", "image/vnd.adobe.photoshop", "audio/wav", "audio/x-wav", "audio/wave", "font/ttf", "font/otf", "message/rfc822":
		return true
	}
	return strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "+xml")
}

// inert reports whether a browser may show the type in place. What it would
// run or could be talked into running (HTML, SVG, XML) is a download only.
func inert(mediaType string) bool {
	switch mediaType {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/x-icon",
		"image/vnd.microsoft.icon", "image/jxl", "application/pdf", "text/plain":
		return true
	}
	return strings.HasPrefix(mediaType, "audio/") || strings.HasPrefix(mediaType, "video/")
}
