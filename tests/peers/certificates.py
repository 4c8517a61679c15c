"""Makes an authority and a certificate for localhost: certificates.py FOLDER"""

import os
import sys

import trustme

folder = sys.argv[1]
ca = trustme.CA()
ca.cert_pem.write_to_path(os.path.join(folder, "ca.pem"))
ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(os.path.join(folder, "both.pem"))
