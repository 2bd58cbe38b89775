// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// Asks a wallet that is a contract whether a signature is its own (ERC-1271), also one that is not deployed yet
/// (ERC-6492). Never deployed: its creation code goes into an `eth_call` without a receiver, and what the constructor
/// returns in place of code is the answer, one byte: 1 or 0. Nothing on the chain changes.
///
/// What it calls was named by whoever sent the signature. It therefore reads no more than one word of any answer, and
/// leaves a part of the gas over (EIP-150), so that nobody can keep it from saying 0.
contract ValidateSignature {
    bytes32 private constant WRAPPED = 0x6492649264926492649264926492649264926492649264926492649264926492;
    bytes32 private constant VALID = 0x1626ba7e00000000000000000000000000000000000000000000000000000000;

    constructor(address signer, bytes32 digest, bytes memory signature) {
        bool valid = isValid(signer, digest, signature);
        assembly ("memory-safe") {
            mstore8(0, valid)
            return(0, 1)
        }
    }

    function isValid(address signer, bytes32 digest, bytes memory signature) private returns (bool) {
        if (isWrapped(signature)) {
            (address factory, bytes memory deployment, bytes memory inner) =
                abi.decode(signature, (address, bytes, bytes));
            // Only where there is nothing yet: what is deployed says itself what it accepts, unprepared by strangers.
            if (signer.code.length == 0) deploy(factory, deployment);
            signature = inner;
        }
        return signer.code.length > 0 && accepts(signer, digest, signature);
    }

    /// Takes the suffix off, too: what is before it is what `abi.encode` made of the three parts.
    function isWrapped(bytes memory signature) private pure returns (bool wrapped) {
        assembly ("memory-safe") {
            let length := mload(signature)
            if gt(length, 31) {
                wrapped := eq(mload(add(signature, length)), WRAPPED)
                if wrapped { mstore(signature, sub(length, 32)) }
            }
        }
    }

    function deploy(address factory, bytes memory deployment) private {
        assembly ("memory-safe") {
            pop(call(gas(), factory, 0, add(deployment, 32), mload(deployment), 0, 0))
        }
    }

    function accepts(address signer, bytes32 digest, bytes memory signature) private view returns (bool valid) {
        bytes memory question = abi.encodeWithSelector(bytes4(VALID), digest, signature);
        assembly ("memory-safe") {
            let ok := staticcall(gas(), signer, add(question, 32), mload(question), 0, 32)
            valid := and(and(ok, gt(returndatasize(), 31)), eq(mload(0), VALID))
        }
    }
}
