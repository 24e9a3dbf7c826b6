package auth

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"homebase/httpx"
)

// tokens makes and recognises what a request carries: access tokens, refresh
// tokens, the marks of known devices, and the cookies that hold them. It owns
// the keys that sign them and asks no database, so it says what is genuine,
// never what is still good.
type tokens struct {
	keys    func(purpose string) [][]byte
	signing func() []signingKey // of access tokens; the first signs
	issuer  string              // the server's address as clients see it
	public  *url.URL            // the same, taken apart
}

func newTokens(keys func(purpose string) [][]byte, publicURL string) *tokens {
	public, err := url.Parse(publicURL)
	if err != nil {
		public = &url.URL{}
	}
	return &tokens{keys: keys, issuer: publicURL, public: public, signing: sync.OnceValue(func() []signingKey {
		var signing []signingKey
		for _, k := range keys(accessPurpose) {
			signing = append(signing, newSigningKey(k))
		}
		return signing
	})}
}

// mayKeepCookies refuses to set cookies for a request that another site may
// have sent, and where the browser would drop them without a word: they need
// a secure connection, and plain http counts as one on loopback names only.
func (tk *tokens) mayKeepCookies(r *http.Request) error {
	if err := httpx.RequireOrigin(r); err != nil {
		return err
	}
	if tk.public.Scheme == "http" && !strings.EqualFold(hostname(r.Host), tk.public.Hostname()) {
		return ErrInsecureOrigin.With("Browsers keep the cookies of a sign-in over plain http only for " + tk.issuer +
			". Open that address, serve this one over https and set HOMEBASE_PUBLIC_URL, or sign in with mode token.")
	}
	return nil
}

// hostname is host without its port, and without the brackets of IPv6.
func hostname(host string) string { return (&url.URL{Host: host}).Hostname() }

// KeepCookie gives the client a cookie like those of a sign-in: no script
// reads it, and only pages of this site send it. It is refused, as signing in
// is, where another site may ask for it or the browser would not keep it; a
// route that calls it declares ErrInsecureOrigin.
func (tk *tokens) KeepCookie(answer http.Header, r *http.Request, name, value string, lifetime time.Duration) error {
	if err := tk.mayKeepCookies(r); err != nil {
		return err
	}
	setCookie(answer, name, value, lifetime)
	return nil
}
