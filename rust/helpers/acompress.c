// SPDX-License-Identifier: GPL-2.0

#if IS_BUILTIN(CONFIG_CRYPTO_ACOMP2)
#include <crypto/internal/acompress.h>

/* Does a request with the transform in software that belongs to this one. */
__rust_helper int rust_helper_acomp_request_fallback(struct acomp_req *req,
						     bool compress)
{
	ACOMP_FBREQ_ON_STACK(fbreq, req);
	int err;

	err = compress ? crypto_acomp_compress(fbreq) :
			 crypto_acomp_decompress(fbreq);
	req->dlen = fbreq->dlen;
	return err;
}

__rust_helper void rust_helper_acomp_request_complete(struct acomp_req *req,
						      int err)
{
	acomp_request_complete(req, err);
}
#endif
