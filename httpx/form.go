package httpx

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// ErrInvalidForm is a problem of the routes that take a form.
var ErrInvalidForm = NewProblem(400, "invalid_form", "The request body is not a valid form")

// ReadForm reads a body of application/x-www-form-urlencoded, as OAuth sends
// it; a request without a body has no values. Errors are Problems:
// ErrUnsupportedType, ErrInvalidForm also for text that PostgreSQL cannot store,
// and those of reading a body.
func ReadForm(r *http.Request) (url.Values, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil || len(text) == 0 {
		return url.Values{}, err
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset, named := params["charset"]
	if err != nil || media != "application/x-www-form-urlencoded" || named && !strings.EqualFold(charset, "utf-8") {
		return nil, ErrUnsupportedType.With("Send Content-Type: application/x-www-form-urlencoded.")
	}
	values, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, ErrInvalidForm.With("Percent-encode names and values.").Because(err)
	}
	for _, list := range values {
		for _, value := range list {
			if !cleanText(value) {
				return nil, ErrInvalidForm.With("Values must be UTF-8 text without NUL.")
			}
		}
	}
	return values, nil
}
