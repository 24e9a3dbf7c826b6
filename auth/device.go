package auth

import "strings"

// deviceName is a short name for the device list, made from the User-Agent:
// "Firefox on Linux", "curl". It is for people to recognise their own devices
// by and decides nothing.
func deviceName(userAgent string) string {
	program := firstOf(userAgent, programs)
	if program == "" {
		// A script: the product's name of "curl/8.5.0".
		program, _, _ = strings.Cut(userAgent, "/")
		program = strings.TrimSpace(program)
		if program == "" || len(program) > 40 || strings.HasPrefix(userAgent, "Mozilla/") {
			program = "Unknown program"
		}
	}
	if system := firstOf(userAgent, systems); system != "" {
		return program + " on " + system
	}
	return program
}

// programs are tried in order: the later ones also stand in the strings of
// the earlier.
var programs = [][2]string{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"}, {"Vivaldi/", "Vivaldi"},
	{"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"},
	{"Chrome/", "Chrome"}, {"Safari/", "Safari"},
}

var systems = [][2]string{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows", "Windows"}, {"Macintosh", "Mac"}, {"Linux", "Linux"},
}

func firstOf(s string, marks [][2]string) string {
	for _, m := range marks {
		if strings.Contains(s, m[0]) {
			return m[1]
		}
	}
	return ""
}

// userAgentLongest is what the sessions table keeps of a User-Agent.
const userAgentLongest = 256

// cleanUserAgent is the printable ASCII of a User-Agent, cut to what is kept:
// PostgreSQL refuses NUL and broken UTF-8, and terminals obey escapes.
func cleanUserAgent(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), userAgentLongest)]
}
