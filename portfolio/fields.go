package portfolio

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"homebase/auth"
	"homebase/httpx"
)

// The bounds of texts in characters, and of lists.
const (
	maxLine    = 200
	maxSummary = 4_000
	maxBody    = 50_000
	maxURL     = 2_000
	maxList    = 50
)

// Link is a named address.
type Link struct {
	Label string `json:"label"`
	URL   string `json:"url"` // https, http or mailto
	// Username is the name of the account that it leads to.
	Username string `json:"username,omitempty"`
}

// checkLine checks a text of one line.
func checkLine(f *httpx.Fields, at, text string, required bool) {
	if required && strings.TrimSpace(text) == "" {
		f.Add(at, "required", "This must not be empty.")
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		f.Add(at, "control_character", "This is one line of text, without control characters.")
	}
	checkText(f, at, text, maxLine)
}

// checkText checks a text of several lines. Markdown counts as text.
func checkText(f *httpx.Fields, at, text string, most int) {
	if utf8.RuneCountInString(text) > most {
		f.Add(at, "too_long", fmt.Sprintf("This has at most %d characters.", most))
	}
}

// checkEmail checks an address by the rule for those of users, and trims it.
func checkEmail(f *httpx.Fields, at string, text *string) {
	email, err := auth.ParseEmail(*text)
	if err != nil {
		f.Add(at, "invalid", "This is "+err.Error()+".")
		return
	}
	*text = email
}

// checkURL refuses addresses that a page must not link to, such as javascript:.
func checkURL(f *httpx.Fields, at, text string, required bool) {
	u, err := url.Parse(text)
	if err == nil && len(text) <= maxURL && !strings.ContainsAny(text, " \t") &&
		(text == "" && !required || (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" || u.Scheme == "mailto" && u.Opaque != "") {
		return
	}
	f.Add(at, "invalid", "This must be an address that begins with https://, http:// or mailto:.")
}

// checkList checks a list and, with check, each of its values. It makes the list
// non-nil, and refuses duplicates.
func checkList[T comparable](f *httpx.Fields, at string, list *[]T, check func(at string, v T)) {
	if *list == nil {
		*list = []T{}
	}
	if len(*list) > maxList {
		f.Add(at, "too_many", fmt.Sprintf("At most %d of these.", maxList))
		return
	}
	for i, v := range *list {
		check(at+"/"+strconv.Itoa(i), v)
		if slices.Contains((*list)[:i], v) {
			f.Add(at+"/"+strconv.Itoa(i), "duplicate", "This is listed twice.")
		}
	}
}

func checkLinks(f *httpx.Fields, links *[]Link) {
	checkList(f, "#/links", links, func(at string, l Link) {
		checkLine(f, at+"/label", l.Label, true)
		checkURL(f, at+"/url", l.URL, true)
		checkLine(f, at+"/username", l.Username, false)
	})
}

// Period is when something began and ended, as precisely as it is known: a year, a
// month or a day.
type Period struct {
	StartedOn *string `json:"started_on"` // YYYY, YYYY-MM or YYYY-MM-DD
	EndedOn   *string `json:"ended_on"`   // null: it goes on
}

var dateForm = regexp.MustCompile(`^[12]\d{3}(-\d\d(-\d\d)?)?$`)

// check compares two dates only as far as both are precise: from May 2014 to 2014 is
// valid.
func (p Period) check(f *httpx.Fields) {
	valid := true
	for at, date := range map[string]string{"#/started_on": text(p.StartedOn), "#/ended_on": text(p.EndedOn)} {
		if _, err := time.Parse("2006-01-02"[:min(len(date), 10)], date); date != "" && (err != nil || !dateForm.MatchString(date)) {
			f.Add(at, "invalid", "A date is a year such as 2024, a month such as 2024-03 or a day such as 2024-03-31; null is none.")
			valid = false
		}
	}
	started, ended := text(p.StartedOn), text(p.EndedOn)
	if shared := min(len(started), len(ended)); valid && ended[:shared] < started[:shared] {
		f.Add("#/ended_on", "invalid", "This is before started_on.")
	}
}

// folded is equal for texts that differ only in case.
func folded(text string) string {
	return strings.ReplaceAll(strings.ToLower(strings.ToUpper(text)), "ß", "ss") // a final sigma has the capital of the others
}

// text is a date, or "" for nil.
func text(date *string) string {
	if date == nil {
		return ""
	}
	return *date
}
